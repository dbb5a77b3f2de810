"""``python -m benchmarks.nodes``: how many nodes and versions a server bears, on the virtual clock.

A toy learner on real ClientApps and the real strategy. Reported: seconds in all, milliseconds of the server and its
nodes per update, and how the server's additions and file reads per update change from the first to the last quarter of
the versions: cost per update must not grow with the number of versions.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.harness.command import parse, parser, write_json
from benchmarks.harness.tables import show, side_by_side
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.settings import field_plan
from crossward.ledger.events import Accepted, Event, Version
from crossward.ledger.state import RunState
from crossward.protocol.parts import Payload
from crossward.simulation.toy import toy_app, toy_context
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from strategies.async_hybrid import AsyncHybrid
from strategies.callbacks import Callback
from strategies.history.journal import Facts, MemoryJournal


class CountingJournal(MemoryJournal):
    """Counts the payloads that are opened."""

    opened = 0

    def open(self, name: str) -> tuple[Facts, Payload]:
        """Count the payload and open it."""
        self.opened += 1
        return super().open(name)


class Marks(Callback):
    """Notes, at every version, the time and how many payloads of ``journal`` were opened so far."""

    def __init__(self, journal: CountingJournal) -> None:
        self.journal = journal
        self.found: list[tuple[float, int]] = []
        self.accepted = 0

    def on_event(self, event: Event, state: RunState) -> None:
        """Count an accepted update; note a version."""
        self.accepted += isinstance(event, Accepted)
        if isinstance(event, Version):
            self.found.append((time.perf_counter(), self.journal.opened))


def run(nodes: int, versions: int, buffer: int, concurrency: int) -> dict[str, float]:
    """One run; its figures."""
    plan = field_plan(EncryptionSettings(scheme=BFV), nodes, buffer)
    schedule = Schedule(versions=versions, local_steps=5, peak=0.05)
    settings = StrategySettings(buffer_size=buffer, concurrency=concurrency, evaluate_every=0, min_nodes=nodes)
    journal, clock = CountingJournal("benchmark"), VirtualClock()
    marks = Marks(journal)
    with tempfile.TemporaryDirectory() as folder:
        app = toy_app(Path(folder), schedule)
        speeds = [Speed(mbit, 0.05, compute) for mbit, compute in ((1000, 10), (300, 10), (100, 15), (20, 40))]
        fleet = {i + 1: VirtualNode(app, toy_context(i), speeds[i % 4]) for i in range(nodes)}
        began = time.perf_counter()
        strategy = AsyncHybrid(settings, plan, schedule, journal, clock=clock, callbacks=[marks])
        strategy.start(VirtualGrid(fleet, clock))
        seconds = time.perf_counter() - began
    quarter = max(versions // 4, 1)

    def rate(found: list[tuple[float, int]], column: int) -> float:
        return statistics.median((b[column] - a[column]) / buffer for a, b in itertools.pairwise(found))

    first, last, accepted = marks.found[1 : quarter + 1], marks.found[-quarter:], marks.accepted
    return {
        "nodes": nodes,
        "versions": versions,
        "updates": accepted,
        "seconds": seconds,
        "ms_per_update": 1e3 * seconds / accepted,
        "ms_per_update_first_quarter": 1e3 * rate(first, 0),
        "ms_per_update_last_quarter": 1e3 * rate(last, 0),
        "opened_per_update_first_quarter": rate(first, 1),
        "opened_per_update_last_quarter": rate(last, 1),
        "virtual_hours": clock.now() / 3600,
    }


def main(argv: list[str] | None = None) -> None:
    """Print the figures."""
    p = parser("nodes", __doc__)
    p.add_argument("--nodes", type=int, default=1000)
    p.add_argument("--versions", type=int, default=200)
    p.add_argument("--buffer", type=int, default=10)
    p.add_argument("--concurrency", type=int, default=100)
    args = parse(p, argv, nodes=40, versions=20, concurrency=20)
    rows = [run(args.nodes, v, args.buffer, args.concurrency) for v in (args.versions // 2, args.versions)]
    ratio = rows[1]["ms_per_update"] / rows[0]["ms_per_update"]
    show(
        side_by_side("A server's work", {f"{row['versions']} versions": row for row in rows}, ".4g"),
        f"ms per update, {args.versions} versions over {args.versions // 2}: {ratio:.2f}",
    )
    write_json(args.json, {"rows": rows})


if __name__ == "__main__":
    main()
