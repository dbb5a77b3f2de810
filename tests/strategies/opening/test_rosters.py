"""Rosters that change while a run goes on, and rosters that somebody made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossward.encryption.committee.roster_file import RosterBook, make_book
from crossward.encryption.committee.spelling import Proof
from crossward.encryption.identity import public_of
from crossward.ledger.events import Event
from crossward.ledger.state import RunState
from crossward.protocol.messages import ANSWER
from crossward.simulation.toy import toy_identity
from strategies.callbacks import Callback
from tests.strategies.opening.consortium import CommitteeFederation, Make

QUICK: dict[str, Any] = {"retry_seconds": 1.0, "task_timeout": 300.0}


def revised(
    book: RosterBook, keys: Mapping[str, Ed25519PrivateKey], committee: Sequence[str] | None = None
) -> RosterBook:
    """The next revision, of the hospitals with these ``keys``, signed by all."""
    made = book.next({name: public_of(key) for name, key in keys.items()}, committee)
    for name, key in keys.items():
        made = made.signed(name, key.sign)
    return made.check()


class Switching(Callback):
    """Hospitals change to another roster file at the second that ``when`` has for each, by number."""

    def __init__(self, when: Mapping[int, float]) -> None:
        self.when, self.f, self.book = when, None, None  # type: ignore[assignment]

    def follow(self, f: CommitteeFederation, book: RosterBook) -> None:
        self.f, self.book = f, book

    def on_event(self, event: Event, state: RunState) -> None:
        if self.f is not None:
            now = self.f.clock.now()
            self.f.books |= {number: self.book for number, moment in self.when.items() if now >= moment}


CHANGES: dict[str, tuple[set[int], tuple[int, ...] | None]] = {
    "a hospital is added": ({0, 1, 2, 3, 4, 5}, None),
    "a hospital is removed": ({0, 1, 2, 3}, None),
    "a member is removed": ({1, 2, 3, 4}, None),
    "the committee is replaced": ({0, 1, 2, 3, 4}, (4, 3, 2)),
}


@pytest.mark.parametrize(
    ("what", "snapshots"),
    [*((what, 0) for what in CHANGES), ("a hospital is added", 3), ("the committee is replaced", 3)],
)
def test_hospitals_switch_to_a_new_roster_at_different_moments(consortium: Make, what: str, snapshots: int) -> None:
    hospitals, committee = CHANGES[what]
    # nodes 1 to 5 are h0 to h4; h5 connects from the start, and only the new roster lists it
    watch = Switching({0: 30.0, 1: 31.0, 2: 45.0, 3: 60.0, 4: 90.0, 5: 50.0})
    given: dict[str, Any] = {"snapshot_every": snapshots, "joins": {6: 40.0}}
    f = consortium(
        compute=(10.0, 12.0, 15.0, 11.0, 13.0, 14.0), hospitals=5, versions=14, callbacks=[watch], **given | QUICK
    )
    keys = {f"h{number}": toy_identity(number + 1) for number in sorted(hospitals)}
    watch.follow(f, revised(f.book, keys, None if committee is None else [f"h{n}" for n in committee]))
    f.start()
    assert len(f.made()) == 14 and not f.lines("liar", "void", "excluded")
    met = f.lines("committee")
    assert [line["revision"] for line in met] == [1, 2]
    rosters = [Proof.from_text(f.journal.open(f"versions/{v:06d}")[0]["proof"]).lists[0].roster for v in range(1, 15)]
    assert set(rosters) == {line["roster"] for line in met} and rosters == sorted(rosters, key=rosters.index)
    last = f.made()[-3:]
    sites = {site for line in last for site in line["sites"]}
    assert sites <= {f"toy-{number}" for number in hospitals} and len(sites) >= 3
    members = set(met[1]["members"])
    assert all(set(line["openers"]) <= members for line in last)
    staying = [number + 1 for number in sorted(hospitals)]
    f.check_accounts()
    f.check_agreement(staying)  # newcomers too: what was opened under the first roster stays checkable
    f.check_residuals(staying)
    f.check_sums()
    f.check_opened_once()


def test_one_hospital_cannot_make_up_a_roster_for_the_others(consortium: Make) -> None:
    """A revision that does go on from the one in force and that all hospitals in it signed: h4's own inventions."""
    watch = Switching({4: 20.0})
    f = consortium(compute=(10.0, 12.0, 15.0, 11.0, 13.0), versions=8, callbacks=[watch], **QUICK)
    keys = {"h4": toy_identity(5), "x": toy_identity(91), "y": toy_identity(92)}
    watch.follow(f, revised(f.book, keys))
    f.start()
    assert len(f.made()) == 8 and [line["revision"] for line in f.lines("committee")] == [1]
    assert all("toy-4" not in line["sites"] for line in f.made()[4:])
    f.check_sums()
    f.check_agreement([1, 2, 3, 4])


@pytest.mark.parametrize("at", [0, 2])
def test_who_follows_a_foreign_roster_gets_no_tasks_and_is_told_why(consortium: Make, at: int) -> None:
    """From the start or later; the others go on, and it is back once it follows theirs."""
    foreign = make_book({"h4": toy_identity(5), "x": toy_identity(91), "y": toy_identity(92)})
    f = consortium(compute=(10.0, 12.0, 15.0, 11.0, 13.0), versions=14, **QUICK)

    class Change(Callback):
        def on_event(self, event: Event, state: RunState) -> None:
            if event.name in ("started", "version"):
                f.books = {4: foreign} if at <= state.version < 6 else {}

    f.strategy.state.callbacks = [Change()]
    f.start()
    assert len(f.made()) == 14 and len(f.lines("committee")) == 1
    assert all("toy-4" not in line["sites"] for line in f.made()[at + 2 : 6])
    assert any("toy-4" in line["sites"] for line in f.made()[7:])
    said = [line["reason"] for line in f.lines("malformed") if line["node"] == "5"]
    assert said and all("does not go on from" in reason and "roster-path" in reason for reason in said)
    f.check_all()


def test_a_hospitals_name_is_no_path(consortium: Make, tmp_path: Any) -> None:
    """Names are free text: answers are kept under numbers."""
    from crossward.encryption.plan import FieldPlan
    from server_app.run_folder import RunFolder

    folder = RunFolder.create(tmp_path / "run", {"encryption.policy": "all"}, FieldPlan(8, 7, 2), durable=False)
    f = consortium(compute=(10.0, 12.0, 15.0, 11.0), versions=2, journal=folder, **QUICK)
    names = ("../../St. Mary / Ward 3", "North: East", "h2", "h3")
    f.book = make_book({name: toy_identity(number + 1) for number, name in enumerate(names)}, names)
    f.start()
    assert len(f.made()) == 2 and {line["member"] for line in f.lines("assisted") if line["kind"] == ANSWER} & set(
        names[:2]
    )
    f.check_agreement()
