"""Bytes per contributed update on the virtual clock: how many sums a task carries, with the plan that a run chooses.

The real strategy, real nodes and a toy learner; what is counted is the sums in every training task, as it is sent, and
the updates that entered a version. Every sealed sum of a plan has one size, so sums times bytes per value are the
bytes, whatever the adapter (full ciphertexts; neither snapshots for newcomers nor a message's few facts are counted).
A committee's bytes are computed from the same counts, as ``benchmarks.encryption.traffic`` computes a version's.
Only versions after the first quarter count, when nodes no longer march in step.

Not for: seconds (``benchmarks.nodes``).
"""

from __future__ import annotations

import logging
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, replace
from pathlib import Path

from flwr.app import Message

from benchmarks.encryption.committee import SHAPES
from benchmarks.encryption.traffic import FLOAT32, STRETCH, fixed, shares_per_value
from benchmarks.harness.command import say
from benchmarks.harness.figures import Row
from crossward.config.encryption_schemes import BFV, COMMITTEE
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.plan import PRESETS, FieldPlan
from crossward.encryption.settings import field_plan
from crossward.ledger.events import Version
from crossward.ledger.lines import read_line
from crossward.protocol.messages import TRAIN, Task
from crossward.protocol.wire import read_task
from crossward.simulation.toy import toy_app, toy_context
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from strategies.async_hybrid import AsyncHybrid
from strategies.history.journal import MemoryJournal

FLEET = ((1000, 10), (300, 10), (100, 15), (20, 40))  # Mbit/s and seconds a training, by turns
LONG = 200  # versions from which a run counts as long
VALUES = 1_000_000  # of the adapter that fixed bytes are put on
DEFAULT = next(iter(SHAPES))
Job = tuple[int, int, int, int, FieldPlan]


class CountingGrid(VirtualGrid):
    """Keeps what every training task asked its node to download."""

    def __init__(self, nodes: dict[int, VirtualNode], clock: VirtualClock) -> None:
        super().__init__(nodes, clock)
        self.tasks: list[Task] = []

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Note the records that each training task carries, without their payloads, and push as usual."""
        kept = list(messages)
        for message in kept:
            if message.metadata.message_type == TRAIN:
                task = read_task(message.content)
                bare = tuple((head, None) for head, _ in task.records)
                self.tasks.append(replace(task, records=bare, snapshot=None))  # type: ignore[arg-type]
        return super().push_messages(kept)


def run(nodes: int, buffer: int, versions: int, max_staleness: int, plan: FieldPlan) -> Row:
    """One run: what was sent per contributed update."""
    schedule = Schedule(versions=versions, local_steps=5, peak=0.05)
    settings = StrategySettings(
        buffer_size=buffer, min_nodes=nodes, evaluate_every=0, snapshot_every=0, max_staleness=max_staleness
    )
    journal, clock = MemoryJournal("benchmark"), VirtualClock()
    with tempfile.TemporaryDirectory() as folder:
        app = toy_app(Path(folder), schedule)
        speeds = [Speed(mbit, 0.05, seconds) for mbit, seconds in FLEET]
        fleet = {i + 1: VirtualNode(app, toy_context(i), speeds[i % len(speeds)]) for i in range(nodes)}
        grid = CountingGrid(fleet, clock)
        AsyncHybrid(settings, plan, schedule, journal, clock=clock).start(grid)
    first = versions // 4
    tasks = [task for task in grid.tasks if first <= task.version < versions]
    events = map(read_line, journal.events())
    made = [event for event in events if isinstance(event, Version) and event.version > first]
    contributed = sum(len(version.tasks) for version in made)
    return {
        "nodes": nodes,
        "buffer": buffer,
        "versions": len(made),
        "max_staleness": max_staleness,
        "preset": next((name for name, known in PRESETS.items() if known == plan), "custom"),
        "plan": list(astuple(plan)),
        "versions_per_update": len(made) / contributed,
        "tasks_per_update": len(tasks) / contributed,
        "sums_per_update": sum(len(task.records) for task in tasks) / contributed,
        "missed_versions_per_update": sum(task.version - task.from_version for task in tasks) / contributed,
    }


def bfv_row(counts: Row) -> Row:
    """Bytes per contributed update of a run of BFV with these counts."""
    plan = FieldPlan(*counts["plan"])
    up, down = plan.bytes_per_value()
    return _bytes(BFV, counts, up, down, replace(plan, guard_bits=0).bytes_per_value()[1])


def committee_row(counts: Row) -> Row:
    """The same of a run of the default committee, and apart from it what the committee's traffic adds.

    Fixed bytes are put on an adapter of a million values.
    """
    plan = FieldPlan(*counts["plan"])
    each, single = plan.field_bits / 8, replace(plan, guard_bits=0).field_bits / 8
    row = _bytes(COMMITTEE, counts, each, each, single)
    parts, versions = fixed(DEFAULT, plan, counts["nodes"], counts["buffer"]), counts["versions_per_update"]
    once = parts.consents + parts.answers + parts.membership / STRETCH
    proofs = parts.proof * counts["missed_versions_per_update"]
    row["share_bytes_per_value"] = shares_per_value(DEFAULT, plan) * versions
    row["fixed_bytes"] = (parts.update + parts.task) * counts["tasks_per_update"] + once * versions + proofs
    more = row["share_bytes_per_value"] + row["fixed_bytes"] / VALUES
    row["with_committee_times_float32"] = row["total_times_float32"] + more / (2 * FLOAT32)
    return row


def _bytes(scheme: str, counts: Row, up: float, down: float, down_of_one: float) -> Row:
    up, down = up * counts["tasks_per_update"], down * counts["sums_per_update"]
    return {
        "scheme": scheme,
        **counts,
        "up_bytes_per_value": up,
        "down_bytes_per_value": down,
        "down_bytes_per_value_without_sums": down_of_one * counts["missed_versions_per_update"],
        "down_times_float32": down / FLOAT32,
        "total_times_float32": (up + down) / (2 * FLOAT32),
    }


def _run(job: Job) -> Row:
    logging.getLogger("flwr").setLevel(logging.WARNING)
    logging.getLogger("crossward.node").setLevel(logging.ERROR)  # nodes say whenever an update of theirs came late
    return run(*job)


def measure(fleets: Iterable[int], buffers: Iterable[int], versions: int) -> list[Row]:
    """Rows for each number of nodes and each buffer that they can fill, of BFV and of the committee.

    Each runs twice: with the default of ``strategy.max-staleness``, and with one under which no update is late. A
    run of many nodes is longer: every node meets the schedule's few scale epochs, and their share should be a long
    run's. What a run sends depends on the plan alone, so that schemes with the same plan share a run.
    """
    buffers = list(buffers)
    wanted: list[tuple[Callable[[Row], Row], Job]] = []
    for nodes in fleets:
        length = max(versions, 4 * nodes) if versions >= LONG else versions
        for buffer in (buffer for buffer in buffers if buffer <= nodes):
            plans = {name: field_plan(EncryptionSettings(scheme=name), nodes, buffer) for name in (BFV, COMMITTEE)}
            for limit in (StrategySettings().max_staleness, length):
                facts = nodes, buffer, length, limit
                wanted += [(bfv_row, (*facts, plans[BFV])), (committee_row, (*facts, plans[COMMITTEE]))]
    jobs, counts = list(dict.fromkeys(job for _, job in wanted)), {}
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        for job, row in zip(jobs, pool.map(_run, jobs), strict=True):
            say(f"virtual clock: {job[0]} nodes, buffer {job[1]}, {job[2]} versions, max-staleness {job[3]}")
            counts[job] = row
    return [made(counts[job]) for made, job in wanted]
