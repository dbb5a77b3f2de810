"""The steps of alignment between parties of which one lies: what it says of another's set, or of common patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client_app.vertical.actions import alignment
from client_app.vertical.envelopes import Mail
from client_app.vertical.party import Action, Party, Turn
from client_app.vertical.records import StepRecords
from client_app.vertical.registry import action_of
from crossward.alignment.receipts import Receipt
from crossward.alignment.ring import Declared
from crossward.protocol.vertical.messages import (
    BLIND,
    DECLARED,
    DIGEST,
    MATCH,
    PIN,
    POSITIONS,
    RAISE,
    RECEIPTS,
    REPRESENT,
    Answer,
    Work,
)
from strategies.history.state import RunError
from tests.vertical_runs import FOURTH, NAMES, Consortium, own_tables, passing

TWO = ("clinic", "hospital")
Lies = dict[tuple[str, str], Action]


def consortium(root: Path, lies: Lies, names: tuple[str, ...] = NAMES) -> Consortium:
    """Parties that align their patients and train nothing; ``lies`` are what a party does instead in a step."""

    def lying(name: str) -> Action:
        def act(party: Party, turn: Turn) -> None:
            honest = action_of(name) if name in (BLIND, RAISE, MATCH, PIN) else represent
            lies.get((party.keys.name, name), honest)(party, turn)

        return act

    actions = {name: lying(name) for name in (BLIND, RAISE, MATCH, PIN, REPRESENT, "finish")}
    return Consortium(root, {"vertical.exchanges": 0, "vertical.distil": False}, own_tables(names), actions)


def represent(party: Party, turn: Turn) -> None:
    if turn.work.action == REPRESENT:
        alignment.check_same(party, turn)
    passing(party, turn)


def resent(party: Party, turn: Turn, kind: str, change: Callable[[bytes], bytes], action: Action) -> None:
    """Do an honest step, and send others' envelopes of a ``kind`` with other content."""
    action(party, turn)
    kept, turn.mail.outbox = turn.mail.outbox, []
    for receiver in turn.others:
        mine = [one for one in kept if one.receiver == receiver]
        turn.mail.outbox += [one for one in mine if one.kind != kind]
        count = len(mine) - len([one for one in mine if one.kind != kind])
        if count:
            turn.mail.send(receiver, kind, [change(party.folder.joinpath("declared").read_bytes())] * count)


@pytest.mark.parametrize("names", [TWO, (*NAMES, FOURTH)])
def test_two_and_four_parties_agree_on_the_common_patients(tmp_path: Path, names: tuple[str, ...]) -> None:
    made = consortium(tmp_path, {}, names)
    state = made.run()
    assert {int(found["common patients"]) for found in state.reported(PIN).values()} == {120}
    written = set()
    for name in names:
        party = made.party(name, "lineage")
        rows = alignment.common_rows(party)
        written.add(tuple(int(party.data.patients[row].removeprefix("MRN-")) for row in rows))
        assert not (party.folder / "alignment").exists()  # the secret with which guesses could be tried out
    assert len(written) == 1


@pytest.mark.parametrize("bound", [True, False])
def test_a_label_holder_cannot_claim_common_patients_by_sending_a_digest_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: bool
) -> None:
    def claims(party: Party, turn: Turn) -> None:
        action_of(MATCH)(party, turn)
        turn.mail.outbox.clear()
        turn.mail.send("clinic", POSITIONS, [np.arange(140, dtype="<u4").tobytes()])  # all of its patients

    def echo(name: str, work: Work, do: Callable[[], Answer]) -> Answer:
        """Gives the clinic, as the label holder's digest, what it sent itself: with an aggregator in league."""
        if (name, work.action) != ("clinic", REPRESENT):
            return do()
        holder, own = made.party("hospital", "lineage"), made.party("clinic", "lineage")
        sent = StepRecords(own.folder / "steps").find(work.step - 1, PIN, 0)
        assert sent is not None
        got = Mail(holder.keys, work.parties, work.step).opened(sent[1], DIGEST)["clinic"]
        mail = Mail(holder.keys, work.parties, work.step - 1)
        mail.send("clinic", DIGEST, got)
        return own.act(replace(work, inbox=tuple(mail.outbox)))

    made = consortium(tmp_path, {("hospital", MATCH): claims, ("hospital", REPRESENT): passing}, TWO)
    made.act = echo
    if bound:
        with pytest.raises(RunError, match=r"clinic cannot do step 5 .*hospital has not this party's digest"):
            made.run()
    else:  # the control: a digest that says not whose it is
        monkeypatch.setattr(alignment, "_proof", lambda digest, name: digest.encode())
        assert (5, "clinic") in made.run().done


def test_a_party_speaks_for_its_own_set_alone(tmp_path: Path) -> None:
    def other(data: bytes) -> bytes:
        one = Declared.decode(data)
        return Declared("laboratory", one.size, one.digest, one.rules, one.pepper).encode()

    lies: Lies = {("clinic", BLIND): lambda party, turn: resent(party, turn, DECLARED, other, action_of(BLIND))}
    with pytest.raises(RunError, match="'clinic' declares a set of 'laboratory'"):
        consortium(tmp_path / "declares", lies).run()

    def receipt(data: bytes) -> bytes:
        return Receipt("hospital", "laboratory", "a", "b").encode()

    lies = {("clinic", RAISE): lambda party, turn: resent(party, turn, RECEIPTS, receipt, action_of(RAISE))}
    with pytest.raises(RunError, match="'clinic' sends a receipt of 'laboratory'"):
        consortium(tmp_path / "receipts", lies).run()
