"""What a message costs around its training in a deployment, with either engine: a new process for every one.

Overhead is the handler's time, less the seconds that its update says were training.

Not for: the processes (``benchmarks.training.node``) or Flower's network.
"""

from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.harness.command import say
from benchmarks.harness.figures import medians
from benchmarks.training.node import DeployedHospital, GroupReplacedError, run_process
from crossward.config.train_settings import IN_PROCESS, WORKER_GROUP

ATTEMPTS = 3


def empty_process(folder: Path, name: str) -> dict[str, Any]:
    """What a ClientApp process with nothing in it costs."""
    wanted = {"empty": True, "home": str(folder)}
    began, ended, got = run_process("benchmarks.training.client", wanted, folder / f"{name}.json")
    return {
        "process_s": got["began"] - began,
        "flower_s": got["flower"] - got["began"],
        "app_s": got["imported"] - got["flower"],
        "whole_s": ended - began,
        "torch": got["torch"],
    }


def _lifetime(
    folder: Path, notes: Path, engine: str, steps: int, nexts: int, ends: ExitStack
) -> tuple[DeployedHospital, list[dict[str, Any]]]:
    """A hospital that was sent a first message, to fresh folders, and some after it; their rows."""
    for attempt in range(ATTEMPTS):
        hospital = DeployedHospital(folder.with_name(f"{folder.name}-{attempt}"), notes, engine, steps)
        ends.callback(hospital.abandon)
        try:
            return hospital, [hospital.send() for _ in range(1 + nexts)]
        except GroupReplacedError:
            hospital.abandon()
    raise GroupReplacedError(f"the code changed under {ATTEMPTS} worker groups: measure when nobody works on it")


def measure(
    folder: Path, notes: Path, steps: int, nexts: list[dict[str, int]], at_once: int, ends: ExitStack
) -> tuple[dict[str, Any], DeployedHospital]:
    """Figures of both engines' first and next messages, and a hospital whose worker group is there yet.

    ``nexts`` says for every first message and engine how many follow it. ``ends`` is what ends the groups in any case.
    """
    folder.mkdir()
    jobs = [(life, engine, count) for life, counts in enumerate(nexts) for engine, count in counts.items()]

    def live(job: tuple[int, str, int]) -> tuple[DeployedHospital, list[dict[str, Any]]]:
        life, engine, count = job
        if engine == IN_PROCESS:
            empty.append(empty_process(folder, f"empty-{life}"))
        hospital, rows = _lifetime(folder / f"{engine}-{life}", notes, engine, steps, count, ends)
        if job != jobs[-1]:
            left.append(hospital.leave())
        say(f"messages: {engine}, fresh folders {life + 1} of {len(nexts)}")
        return hospital, rows

    left: list[int] = []
    empty: list[dict[str, Any]] = []
    with ThreadPoolExecutor(at_once) as pool:
        lived = list(pool.map(live, jobs))
    lives = [rows for _, rows in lived]
    messages = [row for rows in lives for row in rows]
    rows = [_median(empty, {"engine": "flwr alone", "message": "-"})]
    for engine in (IN_PROCESS, WORKER_GROUP):
        for which in ("first", "next"):
            if chosen := [row for row in messages if (row["engine"], row["message"]) == (engine, which)]:
                rows.append(_median(chosen, {"engine": engine, "message": which}))
    rows += [
        {"section": "torch imported", **{name: row[name] for name in ("engine", "message", "count", "torch_imported")}}
        for row in rows
    ]
    figures = {
        "rows": rows,
        "messages": messages,
        "pairs": {
            "next_to_first_message": _pairs(lives, WORKER_GROUP),
            "next_to_first_message_in_process": _pairs(lives, IN_PROCESS),
        },
        "processes_left": sum(left),
    }
    return figures, lived[-1][0]


def _pairs(lives: list[list[dict[str, Any]]], engine: str) -> list[float]:
    """Overhead of the next messages to a hospital over that of its first."""
    told = [[row["overhead_s"] for row in rows] for rows in lives if rows[0]["engine"] == engine and len(rows) > 1]
    return [statistics.median(after) / first for first, *after in told]


def _median(rows: list[dict[str, Any]], about: dict[str, Any]) -> dict[str, Any]:
    numbers = medians(rows, *(name for name in rows[0] if name.endswith("_s")))
    imported = sum(row["torch"] for row in rows)
    return {"section": "message", **about, "count": len(rows), **numbers, "torch_imported": imported}
