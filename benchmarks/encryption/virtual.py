"""Bytes per contributed update on the virtual clock: how many sums a task carries, with the plan that a run chooses.

The real strategy, real nodes and a toy learner; what is counted is the sums in every training task, as it is sent, and
the updates that entered a version. Every sealed sum of a plan has one size, so sums times bytes per value are the
bytes, whatever the adapter (full ciphertexts; neither snapshots for newcomers nor a message's few facts are counted).
Only versions after the first quarter count, when nodes no longer march in step.

Not for: seconds (``benchmarks.nodes``).
"""

from __future__ import annotations

import logging
import multiprocessing
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from flwr.app import Message

from benchmarks.harness.command import say
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.plan import PRESETS
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
FLOAT32 = 4.0  # bytes a value, each way, of FedAvg


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


def run(nodes: int, buffer: int, versions: int, max_staleness: int) -> dict[str, Any]:
    """One run; its bytes per contributed update."""
    plan = field_plan(EncryptionSettings(), nodes, buffer)
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
    sums = sum(len(task.records) for task in tasks)
    missed = sum(task.version - task.from_version for task in tasks)
    up, down = plan.bytes_per_value()
    single = replace(plan, guard_bits=0)
    preset = next((name for name, known in PRESETS.items() if known == plan), "custom")
    return {
        "nodes": nodes,
        "buffer": buffer,
        "versions": len(made),
        "max_staleness": max_staleness,
        "preset": preset,
        "plan": list(astuple(plan)),
        "tasks_per_update": len(tasks) / contributed,
        "sums_per_update": sums / contributed,
        "missed_versions_per_update": missed / contributed,
        "up_bytes_per_value": up * len(tasks) / contributed,
        "down_bytes_per_value": down * sums / contributed,
        "down_bytes_per_value_without_sums": single.bytes_per_value()[1] * missed / contributed,
        "down_times_float32": down * sums / contributed / FLOAT32,
        "total_times_float32": (up * len(tasks) + down * sums) / contributed / (2 * FLOAT32),
    }


def _run(arguments: tuple[int, int, int, int]) -> dict[str, Any]:
    logging.getLogger("flwr").setLevel(logging.WARNING)
    logging.getLogger("crossward.node").setLevel(logging.ERROR)  # nodes say whenever an update of theirs came late
    return run(*arguments)


def measure(fleets: Iterable[int], buffers: Iterable[int], versions: int) -> list[dict[str, Any]]:
    """Rows for each number of nodes and each buffer that they can fill.

    Each runs twice: with the default of ``strategy.max-staleness``, and with one under which no update is late. A
    run of many nodes is longer: every node meets the schedule's few scale epochs, and their share should be a long
    run's.
    """
    buffers, jobs = list(buffers), []
    for nodes in fleets:
        length = max(versions, 4 * nodes) if versions >= LONG else versions
        limits = (StrategySettings().max_staleness, length)
        jobs += [(nodes, buffer, length, limit) for buffer in buffers if buffer <= nodes for limit in limits]
    rows = []
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        for job, row in zip(jobs, pool.map(_run, jobs), strict=True):
            say(f"virtual clock: {job[0]} nodes, buffer {job[1]}, {job[2]} versions, max-staleness {job[3]}")
            rows.append(row)
    return rows
