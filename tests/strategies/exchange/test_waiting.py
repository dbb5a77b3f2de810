"""No wait is silent: for nodes, for tasks, for a pause to end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossward.encryption.committee.opening import Answer
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.roster_file import make_book
from crossward.encryption.committee.statements import Consent, VersionList
from strategies.exchange.waiting import described
from strategies.history.roster import Flight
from strategies.history.state import RunError
from strategies.opening.committee import Committee
from strategies.opening.round import Round
from tests.ledger_lines import made


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """What Flower's logger was given, line by line."""
    flower = logging.getLogger("flwr")
    before, propagates = flower.level, flower.propagate
    flower.setLevel(logging.INFO)
    flower.propagate = True
    yield lambda: [record.getMessage() for record in caplog.records if "Waiting" in record.getMessage()]
    flower.setLevel(before)
    flower.propagate = propagates


def test_a_server_that_waits_for_nodes_says_so_soon_and_then_ever_less_often(federation: Any, logged: Any) -> None:
    f = federation(compute=(1, 1), versions=1, min_nodes=3, stall_timeout=7200.0, poll_seconds=0.25)
    with pytest.raises(RunError, match="min-nodes"):
        f.start()
    lines = logged()
    assert lines[0] == (
        "Waiting for nodes for 5 s: 2 of strategy.min-nodes = 3 are connected; the run stops after 7200 s"
    )
    seconds = [int(line.split(" for nodes for ")[1].split(" s:")[0]) for line in lines]
    assert seconds[:7] == [5, 15, 35, 75, 155, 315, 635] and len(seconds) < 25


def test_a_server_that_waits_for_tasks_names_them(federation: Any, logged: Any) -> None:
    f = federation(compute=(4000.0, 4000.0, 4000.0, 10.0), versions=1, task_timeout=30000.0)
    f.start()
    first = logged()[0]
    assert first.startswith("Waiting for ") and "3 tasks under way (" in first
    assert ": train " in first and first.endswith("1 of 3 updates have arrived")
    assert len(logged()) < 25


def test_every_kind_of_wait_is_described(federation: Any) -> None:
    s = federation(compute=(1, 1)).strategy.state
    assert described(s) == "no node is connected; 0 of 3 updates have arrived"
    for node in s.roster.changes([1, 2])[0]:
        s.record(made("joined", node=str(node)))
    assert described(s).startswith("none of the 2 connected nodes may train now")
    s.roster.back_off(s.roster.nodes[1], s.clock.now(), 40.0)
    assert described(s).startswith("nodes that failed are asked again, the first in 40 s")
    s.roster.nodes[2].site = "St.\x1b[2J Mary"
    for number in range(8):
        s.roster.launch(str(number), Flight(2, number, "train", 0, 0, 0.0, 99.0, 0))
    assert described(s).startswith("8 tasks under way (St.?[2J Mary: train 0 s, ") and " and 2 more)" in described(s)
    s.stop_reason = "all versions are made"
    assert "updates have arrived" not in described(s)
    s.settings = replace(s.settings, name="fedavg", buffer_size=0)
    s.stop_reason = ""
    assert described(s).endswith("; 0 updates have arrived")


def test_how_far_the_committee_is_with_a_version_is_described(federation: Any) -> None:
    s = federation(compute=(1, 1)).strategy.state
    for node in s.roster.changes([1, 2])[0]:
        s.record(made("joined", node=str(node)))
    names = ("East", "North", "South", "West")
    roster = Roster({name: f"{number:064x}" for number, name in enumerate(names)}, names, threshold=1)
    opened = VersionList("lineage", 3, roster.fingerprint, ())
    s.openings.append(Round([], opened, roster, {}, (), "key", began=0.0))
    s.opening.consents["East"] = Consent("East", opened.digest, b"")
    s.roster.launch("1", Flight(2, 1, "query.consent", 2, 0, 0.0, 99.0, 0))
    s.roster.nodes[2].site = "North"
    assert described(s) == "1 task under way (North: query.consent 0 s); opening version 3: 1 of 3 members consented"
    s.opening.consents |= {name: Consent(name, opened.digest, b"") for name in ("North", "West")}
    s.opening.answers.append(Answer("West", opened.digest, (0, 2), (), 0))
    assert described(s).endswith("; opening version 3: 2 of 4 shares have arrived")
    s.opening.failed("East", 0.0, 5.0)
    s.opening.failed("South", 0.0, 5.0, "the seeds of North do not \x1b[2J open")
    told = "South declined 1x (the seeds of North do not ?[2J open); East did not answer 1x"
    assert described(s).endswith(f"; opening version 3: 2 of 4 shares have arrived; {told}")
    s.stop_reason = "all versions are made"  # nothing more is opened
    assert described(s).endswith("1 task under way (North: query.consent 0 s)")


def test_a_roster_or_keys_that_are_missing_are_described(federation: Any) -> None:
    s = federation(compute=(1, 1)).strategy.state
    for node in s.roster.changes([1, 2])[0]:
        s.record(made("joined", node=str(node)))
    s.committee = Committee("lineage", 16)
    assert "no node has said which roster it follows" in described(s)
    s.committee.book = make_book({name: Ed25519PrivateKey.generate() for name in ("East", "North", "South", "West")})
    assert "nothing can be sealed without the keys of East, North, South, West" in described(s)
    s.stop_reason = "all versions are made"
    assert "sealed" not in described(s)
