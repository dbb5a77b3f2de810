"""The real strategy and run folder, alone in a process, on updates of an 8-billion-parameter model's adapter.

A grid stands in for Flower: it forgets a task as soon as it has been sent and makes a reply (one sealed update from a
file, signed by each hospital) when it is pulled, so what the process holds is what the server itself needs. In a
deployment the SuperLink keeps messages on their way.

``python -m benchmarks.encryption.large_server --folder F`` expects ``F/update-0`` as ``benchmarks.encryption.llama``
seals it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from benchmarks.encryption.llama import MOST_SECONDS, cut, in_role
from benchmarks.encryption.sizes import llama_blocks
from benchmarks.harness.peak import own_peak
from benchmarks.harness.processes import fresh
from client_app.identity import sign
from crossward.config.encryption_settings import ALL
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.bfv import CIPHERTEXTS, SEALED
from crossward.encryption.plan import FRESH_BYTES, PRESETS, RING, FieldPlan
from crossward.internals.flower import empty_run, set_message_id, set_task_identity
from crossward.machine.paths import path_argument
from crossward.protocol.measures import measure as measure_of
from crossward.protocol.messages import TRAIN, Evaluation, Task, Update
from crossward.protocol.parts import PartHead, Payload
from crossward.protocol.wire import content_size, read_task, write_reply
from crossward.simulation.toy import toy_identity
from server_app.run_folder import RunFolder
from strategies.async_hybrid import AsyncHybrid

if TYPE_CHECKING:
    from crossward.internals.flower import Run

KEY = "0" * 16


class PromptGrid(Grid):
    """Hospitals that answer at once, each with the same sealed update."""

    def __init__(self, nodes: int, file: Path, heads: tuple[PartHead, ...]) -> None:
        self.nodes, self.file, self.heads, self.largest = nodes, file, heads, 0
        self._asked: dict[str, tuple[Task, Message]] = {}
        self._count = itertools.count(1)
        set_task_identity()

    @property
    def run(self) -> Run:
        """A run of Flower's without a SuperLink."""
        return empty_run()

    def set_run(self, run: Run) -> None:
        """There is only one run."""

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message of Flower's, sent nowhere yet."""
        return Message(content=content, message_type=message_type, dst_node_id=dst_node_id, group_id=group_id, ttl=ttl)

    def get_node_ids(self) -> Iterable[int]:
        """1 to ``nodes``: all of them, always."""
        return range(1, self.nodes + 1)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Keep what is asked until it is pulled; the messages' ids."""
        return [self._push(message) for message in messages]

    def _push(self, message: Message) -> str:
        name = f"message-{next(self._count)}"
        self.largest = max(self.largest, content_size(message.content))
        task = replace(read_task(message.content), records=(), snapshot=None)
        facts = message.metadata
        empty = self.create_message(RecordDict(), facts.message_type, facts.dst_node_id, "")
        set_message_id(empty, name)
        self._asked[name] = task, empty
        return name

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """An answer to each of ``message_ids`` that was pushed and not pulled before."""
        return [self._answer(*self._asked.pop(name)) for name in message_ids if name in self._asked]

    def _answer(self, task: Task, message: Message) -> Message:
        node = message.metadata.dst_node_id
        common: dict[str, Any] = {name: getattr(task, name) for name in ("lineage", "task", "version", "head")}
        common |= {"site": f"hospital {node}", "state_hash": ""}
        if message.metadata.message_type != TRAIN:
            reply = Evaluation(**common, seconds=0.0, measures={"global": measure_of([(10.0, 10.0, 5.0)] * 3)})
            return Message(content=write_reply(reply), reply_to=message)
        counts: dict[str, Any] = dict.fromkeys(("num_examples", "num_tokens", "steps"), 1)
        times: dict[str, Any] = dict.fromkeys(("train_seconds", "compute_seconds", "clipped"), 0.0)
        payload = Payload(self.heads, self.file.read_bytes())
        update = Update(
            **common, **counts, **times, epoch=task.epoch, layout="0" * 64, key=KEY, loss_sum=1.0, payload=payload
        )
        return Message(content=write_reply(sign(update, toy_identity(node))), reply_to=message)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """All answers, at once."""
        return self.pull_messages(list(self.push_messages(messages)))


def serve(plan: FieldPlan, folder: Path, nodes: int, versions: int, share: float) -> dict[str, Any]:
    """A whole run of the strategy in this process; its peak memory."""
    values, heads = sum(llama_blocks(share)), []
    for piece in cut(values, CIPHERTEXTS * RING * plan.fields_per_slot, share):
        number = -(-piece.length // (RING * plan.fields_per_slot))
        heads.append(PartHead(SEALED, piece.length, plan.update_bits, number * FRESH_BYTES))
    grid = PromptGrid(nodes, folder / "update-0", tuple(heads))
    settings = StrategySettings(buffer_size=nodes, min_nodes=nodes, evaluate_every=0)
    before, began = own_peak(), time.perf_counter()
    journal = RunFolder.create(folder / "run", {}, plan)
    strategy = AsyncHybrid(settings, plan, Schedule(versions=versions), journal, kinds=arithmetic(plan, ALL))
    strategy.start(grid)
    made = strategy.state.version
    journal.close()
    return {
        "versions": made,
        "message_bytes": sum(head.size for head in heads),
        "task_bytes": grid.largest,
        "seconds": time.perf_counter() - began,
        "before_mib": before,
        "peak_mib": own_peak(),
    }


def measure(preset: str, nodes: int, versions: int, share: float) -> dict[str, Any]:
    """The figures, from processes of their own."""
    with tempfile.TemporaryDirectory(prefix="crossward-server-") as folder:
        in_role("seal", preset, folder, 1, share)
        given = ("--preset", preset, "--folder", folder, "--share", share, "--nodes", nodes, "--versions", versions)
        found = fresh("benchmarks.encryption.large_server", *given, seconds=MOST_SECONDS)
    return {"preset": preset, "nodes": nodes, **found}


def main() -> None:
    """One run in this process; its figures as JSON."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.encryption.large_server", description=__doc__)
    p.add_argument("--preset", choices=tuple(PRESETS), default="compact")
    p.add_argument("--folder", type=path_argument, required=True)
    p.add_argument("--nodes", type=int, default=8)
    p.add_argument("--versions", type=int, default=2)
    p.add_argument("--share", type=float, default=1.0, help="share of the layers")
    args = p.parse_args()
    print(json.dumps(serve(PRESETS[args.preset], args.folder, args.nodes, args.versions, args.share)))


if __name__ == "__main__":
    main()
