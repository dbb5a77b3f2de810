"""``python -m benchmarks.training.ranks FILE``: one worker process with all threads beside two with half of them each.

Both groups are there at once and take turns, so that they meet the same machine; a group that waits costs nothing. The
seconds are those that a node calls training: from the request to the adapter. The first turn is not counted.

Not for: what a message costs besides (``benchmarks.training.messages``).
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.command import say
from benchmarks.training.node import DeployedHospital, members, run_process, still_there
from client_app.group.client import GroupLearner
from client_app.training.spec import LearnerSpec
from crossward.config.run_config import RunConfig
from crossward.config.train_settings import WORKER_GROUP
from crossward.machine.cores import cores

COUNTS, BATCH = (1, 2), 8


def train(wanted: dict[str, Any]) -> dict[str, Any]:
    """Train with each number of processes by turns: seconds, tokens and the last adapters."""
    learners, group = {}, []
    turns: list[dict[str, float]] = []
    ended: dict[int, Any] = {}
    try:
        for count, workers in zip(COUNTS, wanted["workers"], strict=True):
            config = wanted["run_config"] | {"node.num-processes": count, "train.batch-size": BATCH}
            learners[count] = GroupLearner(LearnerSpec(RunConfig.read(config)), Path(workers))
        group = members(Path(wanted["workers"][1]))
        start, tokens = learners[1].initial(), 0
        for turn in range(wanted["repeats"] + 1):
            seconds = {}
            for count in COUNTS if turn % 2 else reversed(COUNTS):
                began = time.perf_counter()
                ended[count] = learners[count].train(start, 0, 7)
                seconds[str(count)] = time.perf_counter() - began
            tokens = ended[1].num_tokens
            turns += [seconds] if turn or not wanted["repeats"] else []
    finally:
        for count, learner in learners.items():
            learner.close(last=count > 1)
    moved, apart = ended[1].vector - start, ended[2].vector - ended[1].vector
    return {
        "turns": turns,
        "tokens": tokens,
        "losses": [ended[count].loss_sum / ended[count].num_tokens for count in COUNTS],
        "difference": float(np.linalg.norm(apart) / np.linalg.norm(moved)),
        "processes_left": still_there(group),
    }


def measure(folder: Path, hospital: DeployedHospital, steps: int, repeats: int) -> dict[str, Any]:
    """A row for each number of processes; how far apart their adapters are, beside how far training moved them.

    The one process is that of ``hospital``'s worker group, which stays.
    """
    folder.mkdir()
    own = {"node.engine": WORKER_GROUP, "data.path": hospital.node_config["data-path"], "train.local-steps": steps}
    wanted = {
        "home": hospital.home,
        "workers": [str(hospital.workers), str(folder / "workers")],
        "run_config": hospital.run_config | own,
        "repeats": repeats,
    }
    _, _, got = run_process("benchmarks.training.ranks", wanted, folder / "ranks.json")
    rows = [
        {
            "section": "ranks",
            "processes": count,
            "threads": max(1, cores() // count),
            "tokens_per_second": statistics.median(got["tokens"] / turn[str(count)] for turn in got["turns"]),
            "loss": loss,
        }
        for count, loss in zip(COUNTS, got["losses"], strict=True)
    ]
    say(f"ranks: {repeats} turns of {COUNTS} processes")
    pairs = [turn["1"] / turn["2"] for turn in got["turns"]]
    return {
        "rows": rows,
        "pairs": {"two_processes_to_one": pairs},
        "adapters_apart": got["difference"],
        "processes_left": got["processes_left"],
    }


def main(argv: list[str]) -> None:
    """Do what the file ``argv[1]`` says."""
    print(json.dumps(train(json.loads(Path(argv[1]).read_text()))))


if __name__ == "__main__":
    main(sys.argv)
