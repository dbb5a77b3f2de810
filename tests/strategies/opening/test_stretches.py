"""Sealing keys that change every few versions: closed stretches stay closed, whoever is late or away."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest
from flwr.app import Message

from crossward.encryption.committee.spelling import Proof
from crossward.ledger.events import Event
from crossward.ledger.state import RunState
from crossward.protocol.messages import Evaluation
from crossward.protocol.wire import read_reply, write_reply
from strategies.callbacks import Callback
from tests.strategies.opening.consortium import CommitteeFederation, Make

QUICK: dict[str, Any] = {"retry_seconds": 1.0, "task_timeout": 300.0}


def keys_on_disk(f: CommitteeFederation, number: int) -> list[int]:
    return sorted(int(path.stem) for path in f.stretches(number).glob("*.key"))


def stretches_of(f: CommitteeFederation) -> list[set[int]]:
    """Of every version, the stretches that its updates were sealed in."""
    out = []
    for line in f.made():
        (listed,) = Proof.from_text(f.journal.open(f"versions/{line['version']:06d}")[0]["proof"]).lists
        out.append({statement.stretch for statement, _ in listed.contributions})
    return out


def test_keys_are_destroyed_late_updates_refused_and_newcomers_served(consortium: Make) -> None:
    """h4 takes six versions for one update; h5 joins in the middle."""
    compute, joins = (10.0, 12.0, 15.0, 11.0, 95.0, 13.0), {6: 50.0}
    f = consortium(compute=compute, versions=12, stretch=2, joins=joins, max_staleness=100, snapshot_every=3, **QUICK)
    f.start()
    assert len(f.made()) == 12 and not f.lines("opening-dropped", "liar", "void", "declined")
    late = f.lines("late")
    assert any("whose keys are destroyed" in line["reason"] and line["node"] == "5" for line in late)
    assert {1, 2} in stretches_of(f) or {2, 3} in stretches_of(f)  # the control: those of the stretch before are used
    now = 1 + 12 // 2
    for number in range(4):
        assert keys_on_disk(f, number) == [now - 1, now, now + 1]
        assert len(list(f.stretches(number).glob("*.opened"))) == now + 1
    assert not keys_on_disk(f, 4) and any("toy-5" in line["sites"] for line in f.made())
    f.check_all()


@pytest.mark.parametrize("away", [45.0, 110.0])
def test_a_member_may_be_away_when_a_stretch_ends(consortium: Make, away: float) -> None:
    """Over one change its keys are known already; over several it is sealed without, and has new ones on its return."""
    f = consortium(
        compute=(10.0, 12.0, 15.0, 11.0, 13.0, 13.5),
        versions=16,
        stretch=2,
        leaves={1: 23.0},
        again={9: (0, 23.0 + away)},
        **QUICK,
    )
    f.start()
    assert len(f.made()) == 16 and not f.lines("opening-dropped", "liar", "void")
    assert any("h0" in line["openers"] for line in f.made()[-6:])
    assert keys_on_disk(f, 0) == keys_on_disk(f, 1)
    f.check_all([2, 3, 4, 5, 6])
    f.check_agreement([1])  # the folder of its first node, which the second went on with


def test_a_roll_back_drops_the_list_that_is_being_opened(consortium: Make) -> None:
    """The losses of version 4 jump while the next list waits for consents; two versions are taken back."""

    def fault(who: int, message: Message, reply: Message) -> Any:
        content = read_reply(reply.content)
        if isinstance(content, Evaluation) and content.version == 4:
            bad = {name: replace(m, loss_sum=20.0 * m.tokens) for name, m in content.measures.items()}
            return [(0.0, Message(content=write_reply(replace(content, measures=bad)), reply_to=message))]
        if message.metadata.message_type == "query.consent" and message.metadata.group_id == "5":
            return [(30.0, reply)]
        return [(0.0, reply)]

    given: dict[str, Any] = {"evaluate_every": 2, "rollback_ratio": 1.5, "stretch": 3}
    f = consortium(compute=(10.0, 10.0, 10.0, 11.0, 11.5, 12.0), versions=10, fault=fault, **given | QUICK)
    f.start()
    reverted = [line for line in f.made() if "reverts" in line]
    assert [line["reverts"] for line in reverted] == [4, 3]
    (dropped,) = f.lines("opening-dropped")
    assert "rolled back" in dropped["reason"] and not f.lines("excluded", "void", "liar")
    assert f.strategy.state.version == 10
    f.check_residuals()
    f.check_sums()
    f.check_opened_once()
    f.check_agreement()


@pytest.mark.parametrize("members", [1, 2])
def test_members_that_lose_their_keys_while_a_run_goes_on_are_sealed_to_anew(consortium: Make, members: int) -> None:
    """One is done without; with two, what was sealed to the lost keys is dropped, and no hospital is blamed for it."""
    f = consortium(compute=(10.0, 12.0, 15.0, 11.0, 13.0, 14.0), versions=8, **QUICK)

    class Lose(Callback):
        def on_event(self, event: Event, state: RunState) -> None:
            if event.name == "version" and state.version == 3:
                for number in range(members):
                    shutil.rmtree(f.stretches(number))

    f.strategy.state.callbacks = [Lose()]
    f.start()
    assert len(f.made()) == 8 and not f.lines("excluded", "void", "liar")
    dropped = [line for line in f.lines("opening-dropped") if "opened behind" not in line["reason"]]
    assert bool(dropped) == (members == 2) and not any("hospitals" in line for line in dropped)
    assert all("h0: " in line["reason"] and "h1: " in line["reason"] for line in dropped)
    assert any("h0" in line["openers"] for line in f.made()[-4:])
    f.check_opened_once()  # by what the others wrote down
    f.check_accounts()
    f.check_agreement()
    f.check_residuals()
    f.check_sums()
