"""One meaning of the ledger: what a live run knows of its lineage is what its lines say, after every one of them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Error, Message

from benchmarks.soak.run import Soak
from client_app.identity import sign
from crossward.ledger.chain import encode
from crossward.ledger.events import EVENTS, Event, Unknown
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import parse, read_events, read_line
from crossward.ledger.state import RunState, fold
from crossward.protocol.measures import Measure
from crossward.protocol.messages import Evaluation, Update
from crossward.protocol.wire import read_reply, write_reply
from crossward.simulation.toy import toy_identity
from server_app.run_folder import RunFolder
from strategies.async_hybrid import AsyncHybrid
from strategies.callbacks import Callback
from strategies.fedavg import FedAvg

VERSIONS = 40


class Compared(Callback):
    """After every event: the state that the journal's lines fold to, one by one, is the live one."""

    def __init__(self) -> None:
        self.folded, self.read = RunState(), 0
        self.seen: Counter[str] = Counter()

    def compare(self, lines: list[dict[str, Any]], state: RunState) -> None:
        for line in lines[self.read :]:
            self.folded.apply(read_line(json.loads(json.dumps(line))))
        self.read = len(lines)
        assert self.folded == state, lines[-1]


class InMemory(Compared):
    """Of a :class:`MemoryJournal`."""

    journal: Any = None

    def on_event(self, event: Event, state: RunState) -> None:
        self.seen[event.name] += 1
        self.compare(self.journal.log, state)


def test_a_live_run_knows_what_its_ledger_says_after_every_event(federation: Any) -> None:
    """Late, refused, failed and clamped updates, nodes that come and go, a rollback and snapshots."""
    watch, count = InMemory(), 0

    def fault(who: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        nonlocal count
        count += 1
        content = read_reply(reply.content)
        if isinstance(content, Evaluation) and 20 <= content.version < 30:
            bad = {model: Measure(4.0, 100.0, 9000.0, 1.0, 1.0, 1.0) for model in content.measures}
            return [(0.0, Message(content=write_reply(replace(content, measures=bad)), reply_to=message))]
        if not isinstance(content, Update) or count % 7:
            return [(0.0, reply)]
        match count // 7 % 5:
            case 0:
                return [(0.0, Message(Error(code=3, reason="out of memory"), reply_to=message))]
            case 1:
                return []
            case 2:
                changed = sign(replace(content, num_tokens=1 << 40), toy_identity(who))
            case 3:
                changed = replace(content, loss_sum=content.loss_sum + 1.0)  # its signature does not fit any more
            case _:
                return [(0.0, reply), (1.0, reply)]
        return [(0.0, Message(content=write_reply(changed), reply_to=message))]

    given = {"versions": 30, "evaluate_every": 10, "rollback_ratio": 1.2, "snapshot_every": 5, "max_staleness": 2}
    given |= {"joins": {5: 30.0}, "leaves": {2: 170.0}, "fault": fault, "task_timeout": 150.0, "retry_seconds": 5.0}
    f = federation(compute=(10, 12, 15, 40, 11, 9), callbacks=[watch], **given)
    watch.journal = f.journal
    f.start()
    for name in ("late", "failed", "malformed", "duplicate", "left", "snapshot", "evaluated", "finished"):
        assert watch.seen[name], name
    assert f.lines("accepted")[0] and any("clamped" in line for line in f.lines("accepted"))
    assert any("reverts" in line for line in f.made())


@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
def test_it_holds_of_synchronous_rounds_and_of_a_resumed_run(federation: Any, kind: Any) -> None:
    first = federation(compute=(1, 2, 3, 4), versions=6, kind=kind)
    first.strategy.start(first.grid, num_rounds=2)
    watch = InMemory()
    watch.journal = first.journal
    again = federation(journal=first.journal, compute=(1, 2, 3, 4), versions=6, kind=kind, callbacks=[watch])
    assert again.strategy.state.run == fold(map(read_line, first.journal.events())) == first.strategy.state.run
    again.start()
    assert watch.seen["resumed"] == 1 and again.strategy.state.run.sessions == 2


# ---------------------------------------------------------------------- sealed, on disk, with faults of every kind


class WatchedSoak(Soak):
    """A soak whose live state is compared with the ledger's file after every event."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.compared = 0

    def on_event(self, event: Event, state: RunState) -> None:
        super().on_event(event, state)
        path = self.folder / "run" / FILE_NAME
        if event.name in ("started", "resumed"):
            self._folded, self._offset = RunState(), 0
        with path.open("rb") as file:
            file.seek(self._offset)
            added = file.read()
        for raw in added.splitlines():
            line = json.loads(raw)
            facts = {k: v for k, v in line.items() if k not in ("seq", "time", "event", "prev", "hash")}
            self._folded.apply(parse(line["event"], facts, line["time"]))
        self._offset += len(added)
        assert self._folded == state, event
        self.compared += 1


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder and the counts of a soak with deaths, a rotated key, rollbacks, snapshots, lies and losses."""
    folder = tmp_path_factory.mktemp("soak")
    soak = WatchedSoak(VERSIONS, 3, folder, 8)
    return folder, soak.run(), soak.compared


def test_under_faults_of_every_kind_the_live_state_is_the_ledgers(soaked: Any) -> None:
    folder, out, compared = soaked
    lines = (folder / "run" / FILE_NAME).read_bytes().splitlines()
    problems = [problem for problem in out.problems if " grew from " not in problem]  # the other state is no leak
    assert problems == [] and out.sessions > 4 and compared > 0.95 * len(lines) > 500
    assert {"snapshot", "joined", "left", "clamped claims"} <= {k for k, v in out.made.items() if v}


def test_the_bytes_of_every_line_stay_as_they_are_when_it_is_read_and_written(soaked: Any) -> None:
    folder, _, _ = soaked
    kinds: Counter[str] = Counter()
    for raw in (folder / "run" / FILE_NAME).read_bytes().splitlines():
        line = json.loads(raw)
        facts = {k: v for k, v in line.items() if k not in ("seq", "time", "event", "prev", "hash")}
        event = parse(line["event"], facts, line["time"])
        assert not isinstance(event, Unknown) and not event.more and not event.lacks
        front = {key: line[key] for key in ("seq", "prev", "hash")}
        assert encode({**front, "time": event.time, "event": event.name, **event.facts()}) == raw
        kinds[event.name] += 1
    assert len(kinds) >= 15 and set(kinds) <= set(EVENTS)


def test_a_run_that_is_read_again_stands_where_it_stood(soaked: Any) -> None:
    folder, _, _ = soaked
    path: Path = folder / "run"
    states = [fold(read_events(path / FILE_NAME))]
    with RunFolder(path, "x", durable=False).ledger as ledger:
        states.append(fold(parse(e.event, e.facts, e.time) for e in ledger.entries()))
    assert states[0] == states[1] and states[0].version >= VERSIONS
