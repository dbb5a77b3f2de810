"""1,000 hospitals, 200 versions: seconds, and the last updates cost what the first did."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.settings import field_plan
from crossward.protocol.parts import Part, Payload
from crossward.simulation.toy import toy_app, toy_context
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from strategies.aggregation import catchup, versions
from strategies.aggregation.combine import combine
from strategies.async_hybrid import AsyncHybrid
from strategies.history.journal import Facts, MemoryJournal

NODES, VERSIONS, BUFFER = 1000, 200, 10


class Costs(MemoryJournal):
    """What every version cost: journal reads and writes, and combinations, since the version before."""

    def __init__(self) -> None:
        super().__init__()
        self.now: Counter[str] = Counter()
        self.by_version: list[Counter[str]] = []

    def record(self, event: str, **facts: Any) -> None:
        super().record(event, **facts)
        self.now["lines"] += 1
        if event == "version":
            self.by_version.append(self.now)
            self.now = Counter()

    def open(self, name: str) -> tuple[Facts, Payload]:
        self.now["opens"] += 1
        return super().open(name)

    def keep(self, name: str, facts: Facts, parts: Iterable[Part]) -> str:
        self.now["keeps"] += 1
        return super().keep(name, facts, parts)


@pytest.fixture(scope="module")
def costs() -> Iterator[tuple[Costs, AsyncHybrid]]:
    journal, clock = Costs(), VirtualClock()

    def counted(*args: Any) -> Any:
        journal.now["combines"] += 1
        return combine(*args)

    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    schedule = Schedule(versions=VERSIONS, local_steps=5, peak=0.05)
    app = toy_app(folder, schedule)
    nodes = {
        i + 1: VirtualNode(app, toy_context(i), Speed((1000, 300, 100, 20)[i % 4], 0.05, (10, 10, 15, 40)[i % 4]))
        for i in range(NODES)
    }
    settings = StrategySettings(buffer_size=BUFFER, concurrency=100, evaluate_every=0)
    plan = field_plan(EncryptionSettings(scheme=BFV), NODES, BUFFER)
    strategy = AsyncHybrid(settings, plan, schedule, journal, clock=clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catchup, "combine", counted)
        patch.setattr(versions, "combine", counted)
        strategy.start(VirtualGrid(nodes, clock))
    yield journal, strategy
    shutil.rmtree(folder)


def test_all_versions_are_made_and_everyone_ends_there(costs: tuple[Costs, AsyncHybrid]) -> None:
    journal, strategy = costs
    assert strategy.state.version == VERSIONS
    events = Counter(line["event"] for line in journal.log)
    assert events["version"] == VERSIONS
    assert VERSIONS * BUFFER <= events["accepted"] < VERSIONS * BUFFER + BUFFER
    assert {line["version"] for line in journal.log if line["event"] == "measured"} == {VERSIONS}
    assert events["measured"] == NODES
    assert not events["disagreement"] and not events["failed"] and not events["malformed"]


def test_every_task_has_exactly_one_outcome(costs: tuple[Costs, AsyncHybrid]) -> None:
    journal, _ = costs
    sent = Counter(line["task"] for line in journal.log if line["event"] == "dispatched")
    names = ("accepted", "late", "behind", "failed", "duplicate", "measured")
    done = Counter(line["task"] for line in journal.log if line["event"] in names)
    assert sent == done and set(sent.values()) == {1}


def test_an_update_costs_no_more_the_longer_the_run_is(costs: tuple[Costs, AsyncHybrid]) -> None:
    """Half way every hospital has had its first turn, and what a node lacks is as long as it will ever be."""
    journal, _ = costs
    quarter, end = VERSIONS // 4, 15  # in the last versions slow hospitals are asked no more, which breaks the turns
    third, last = journal.by_version[2 * quarter : 3 * quarter], journal.by_version[-quarter - end : -end]
    for what in ("combines", "opens", "keeps", "lines"):
        before, after = sum(c[what] for c in third), sum(c[what] for c in last)
        assert after <= 1.2 * before, f"{what}: {before} in the third quarter, {after} in the last"
    # a version is one combination; the sums for nodes that catch up are a few more (V = 64)
    assert sum(c["combines"] for c in last) / quarter <= 1 + 2 * 6


def test_hospitals_take_turns(costs: tuple[Costs, AsyncHybrid]) -> None:
    _, strategy = costs
    trained = Counter(view.trained for view in strategy.state.roster.nodes.values())
    assert max(trained) - min(trained) <= 2  # one of them for the run's end, where only the fast are asked
