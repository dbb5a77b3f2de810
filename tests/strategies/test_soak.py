"""A short soak, sealed and on disk: every kind of fault, and all that must hold afterwards; see ``benchmarks.soak``.

Beside it the committee's live state is compared with what the lines of its ledger say.
"""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.soak.__main__ import aside, table
from benchmarks.soak.run import Soak, Soaked
from benchmarks.soak.server import KILLS, LOSSES
from benchmarks.soak.trouble import faults_of
from crossward.config.encryption_schemes import BFV, COMMITTEE
from crossward.ledger.chain import RESERVED, encode
from crossward.ledger.events import EVENTS, Event, Unknown
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import parse, read_events
from crossward.ledger.state import RunState, fold
from server_app.run_folder import RunFolder

VERSIONS = 70


class WatchedSoak(Soak):
    """A soak whose live state is compared with the ledger's file after every event.

    Not while the server's memory is traced, which would find the other state: the next comparison is of all since.
    """

    compared = 0

    def on_event(self, event: Event, state: RunState) -> None:
        super().on_event(event, state)
        if event.name in ("started", "resumed"):
            self._folded, self._offset = RunState(), 0
        if tracemalloc.is_tracing():
            return
        with (self.folder / "run" / FILE_NAME).open("rb") as file:
            file.seek(self._offset)
            added = file.read()
        for raw in added.splitlines():
            self._folded.apply(read(json.loads(raw)))
        self._offset += len(added)
        assert self._folded == state, event
        self.compared += 1


def read(line: dict[str, Any]) -> Event:
    """The event of a ledger's line."""
    return parse(line["event"], {k: v for k, v in line.items() if k not in RESERVED}, line["time"])


@dataclass(frozen=True)
class Done:
    """A soak that is over: its run folder, what it counted, how often states were compared."""

    run: Path
    soaked: Soaked
    compared: int


@pytest.fixture(scope="module", params=[COMMITTEE, BFV])
def done(request: pytest.FixtureRequest) -> Iterator[Done]:
    """The committee's is watched."""
    kind = WatchedSoak if request.param == COMMITTEE else Soak
    with aside() as folder:
        soak = kind(VERSIONS, 3, folder, 12, scheme=request.param)
        yield Done(folder / "run", soak.run(), getattr(soak, "compared", 0))


@pytest.fixture
def soaked(done: Done) -> Soaked:
    return done.soaked


def test_after_faults_of_every_kind_everything_holds(soaked: Soaked) -> None:
    assert soaked.problems == []
    assert (soaked.versions, soaked.unaccounted) == (VERSIONS, 0)


def test_every_kind_of_fault_took_place(soaked: Soaked) -> None:
    rotated = {"consortium key rotated", "reply lost with the ServerApp", *LOSSES}
    missing = (
        {kind.name for kind in faults_of(soaked.scheme)} | {way for ways in KILLS.values() for way in ways} | rotated
    )
    assert missing - set(soaked.faults) == set()
    assert sum(soaked.faults.values()) > 150 and soaked.sessions > 10


def test_every_outcome_took_place(soaked: Soaked) -> None:
    expected = {"accepted", "failed", "behind", "malformed", "wrong-key", "wrong-layout", "duplicate", "measured"}
    assert expected | ({"declined"} if soaked.scheme == COMMITTEE else set()) <= set(soaked.outcomes)
    assert soaked.arrived >= 3 and soaked.residuals >= 2 and soaked.made["clamped claims"]


def test_a_member_that_lied_is_named_and_its_version_made_again(soaked: Soaked) -> None:
    lied = {"opening", "assisted", "opening-dropped", "corrected", "liar"} <= set(soaked.made)
    assert lied == (soaked.scheme == COMMITTEE)


def test_the_table_says_it(soaked: Soaked) -> None:
    text = table(soaked)
    assert "unaccounted: 0" in text and "everything holds" in text


# ---------------------------------------------------------------------- one meaning of the ledger


def test_under_faults_of_every_kind_the_live_state_is_the_ledgers(done: Done) -> None:
    lines = (done.run / FILE_NAME).read_bytes().splitlines()
    if done.soaked.scheme == COMMITTEE:
        assert done.compared > 0.6 * len(lines) > 500
    assert {"snapshot", "joined", "left", "clamped claims"} <= {k for k, v in done.soaked.made.items() if v}


def test_the_bytes_of_every_line_stay_as_they_are_when_it_is_read_and_written(done: Done) -> None:
    kinds: Counter[str] = Counter()
    for raw in (done.run / FILE_NAME).read_bytes().splitlines():
        line = json.loads(raw)
        event = read(line)
        assert not isinstance(event, Unknown) and not event.more and not event.lacks
        front = {key: line[key] for key in ("seq", "prev", "hash")}
        assert encode({**front, "time": event.time, "event": event.name, **event.facts()}) == raw
        kinds[event.name] += 1
    assert len(kinds) >= 15 and set(kinds) <= set(EVENTS)


def test_a_run_that_is_read_again_stands_where_it_stood(done: Done) -> None:
    states = [fold(read_events(done.run / FILE_NAME))]
    with RunFolder(done.run, "x", durable=False).ledger as ledger:
        states.append(fold(parse(e.event, e.facts, e.time) for e in ledger.entries()))
    assert states[0] == states[1] and states[0].version >= VERSIONS
