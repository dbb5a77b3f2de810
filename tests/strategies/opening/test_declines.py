"""Members that decline, and hospitals that make them: a list opens without them, or is dropped and nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flwr.app import Message

from client_app.identity import sign
from crossward.protocol.messages import ANSWER, CONSENT, DECLINED, TRAIN, Consented, Failure, Update
from crossward.protocol.wire import read_reply, read_task
from crossward.simulation.toy import toy_identity
from tests.strategies.opening.consortium import (
    CommitteeFederation,
    Make,
    Outcome,
    answered,
    both,
    changed_answer,
    on,
    wrong_boxes,
)

COMPUTE = (10.0, 12.0, 15.0, 11.0, 13.0, 14.0)
QUICK: dict[str, Any] = {"retry_seconds": 1.0, "task_timeout": 200.0}


def with_boxes(consortium: Make, spoiled: tuple[str, ...], **given: Any) -> CommitteeFederation:
    """A federation whose h5 seals boxes for ``spoiled`` members that do not open."""
    made: list[CommitteeFederation] = []
    fault = on(6, TRAIN, wrong_boxes(5, lambda: made[0].book, *spoiled))
    made.append(consortium(compute=COMPUTE, fault=fault, **QUICK | given))
    made[0].start()
    return made[0]


def test_boxes_that_one_member_cannot_open_do_not_keep_a_version_from_opening(consortium: Make) -> None:
    f = with_boxes(consortium, ("h0",), versions=8)
    assert len(f.made()) == 8 and any("toy-5" in line["sites"] for line in f.made())
    said = {line["reason"] for line in f.lines(DECLINED)}
    assert said and all("h5" in reason and "h0" in reason for reason in said)
    assert not f.lines("opening-dropped", "liar", "void", "excluded")
    f.check_all()


def test_boxes_that_two_members_cannot_open_cost_their_list_and_then_their_hospital(consortium: Make) -> None:
    f = with_boxes(consortium, ("h0", "h2"), versions=10)
    assert len(f.made()) == 10 and all("toy-5" not in line["sites"] for line in f.made())
    dropped = [line for line in f.lines("opening-dropped") if "opened behind" not in line["reason"]]
    bad = f.lines("accepted")[0]["hospital"] and f.strategy.state.roster.nodes[6].hospital
    assert len(dropped) == 2 and all(bad in line["hospitals"] for line in dropped)
    assert "h0: " in dropped[0]["reason"] and "h2: " in dropped[0]["reason"] and "h5" in dropped[0]["reason"]
    assert [line["hospital"] for line in f.lines("excluded")] == [bad]
    lost = {task for line in dropped for task in line["tasks"]}
    assert lost and all(f.outcomes()[task] == ["accepted", "late"] for task in lost)
    f.check_all([1, 2, 3, 4, 5])  # with the residuals of what was dropped rolled back


def test_with_a_committee_of_three_one_member_that_declines_is_enough(consortium: Make) -> None:
    """The control: nobody may be absent, so the same boxes for one member cost the list."""
    f = with_boxes(consortium, ("h0",), members=3, versions=4)
    assert f.lines("opening-dropped") and all("toy-5" not in line["sites"] for line in f.made())
    f.check_all([1, 2, 3, 4])


def other_consent(change: Callable[[Consented], Consented]) -> Callable[[Message, Message], Outcome]:
    def act(message: Message, reply: Message) -> Outcome:
        content = read_reply(reply.content)
        return answered(message, change(content)) if isinstance(content, Consented) else [(0.0, reply)]

    return act


def failing(message: Message, reply: Message) -> Outcome:
    task = read_task(message.content)
    return answered(message, Failure(task.lineage, task.task, DECLINED, "not today", -1))


WRONG: dict[str, tuple[Callable[[Message, Message], Outcome], str, str, str]] = {
    "a consent without its signature": (
        other_consent(lambda c: replace(c, signature=b"x" * 64)), CONSENT, "malformed", "is not signed by it"
    ),
    "a consent to another list": (
        other_consent(lambda c: replace(c, digest="0" * 64)), CONSENT, "malformed", "to another list"
    ),
    "another member's consent": (
        other_consent(lambda c: replace(c, member="h1")), CONSENT, "malformed", "to another list than h0"
    ),
    "an unknown member's consent": (
        other_consent(lambda c: replace(c, member="nobody")), CONSENT, "malformed", "to another list than h0"
    ),
    "a refusal": (failing, CONSENT, DECLINED, "not today"),
    "a refusal to answer": (failing, ANSWER, DECLINED, "not today"),
    "an answer for another list": (
        changed_answer(0, lambda a: replace(a, digest="0" * 64)), ANSWER, "malformed", "for another list or other"
    ),
    "an answer for other subsets": (
        changed_answer(0, lambda a: replace(a, subsets=(3,))), ANSWER, "malformed", "for another list or other subsets"
    ),
    "an answer under another's name": (
        changed_answer(0, lambda a: replace(a, member="h1")), ANSWER, "malformed", "an answer of 'h1'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_one_member_says_wrongly_is_declined_with_a_reason_and_others_open_the_version(
    consortium: Make, what: str
) -> None:
    act, kind, outcome, text = WRONG[what]
    f = consortium(compute=COMPUTE[:4], versions=3, fault=on(1, kind, act), **QUICK)
    f.start()
    assert len(f.made()) == 3 and not f.lines("opening-dropped", "liar", "void")
    refused = f.lines(outcome)
    assert refused and all(line["node"] == "1" and text in line["reason"] for line in refused)
    assert all("h0" not in line["openers"] for line in f.made())
    f.check_all()


def shorter(message: Message, reply: Message) -> Outcome:
    """An answer whose part says that it has a field more, in as many bytes."""
    index = reply.content.config_records.get("index")
    if index is not None and reply.has_content():
        index["length"] = [length + 1 for length in index["length"]]  # type: ignore[operator, union-attr]
    return [(0.0, reply)]


def test_an_answer_whose_parts_have_other_sizes_is_declined(consortium: Make) -> None:
    f = consortium(compute=COMPUTE[:4], versions=3, fault=on(1, ANSWER, shorter), **QUICK)
    f.start()
    assert len(f.made()) == 3
    refused = f.lines("malformed")
    assert refused and all(line["node"] == "1" for line in refused)
    f.check_all()


def test_two_members_that_refuse_everything_stop_a_run_and_cost_no_hospital_its_residual(consortium: Make) -> None:
    """Two decliners are more than a committee of four tolerates: every list is dropped, each for a stated reason."""
    fault = both(on(1, CONSENT, failing, range(1, 7)), on(2, CONSENT, failing, range(1, 7)))
    f = consortium(compute=COMPUTE[:4], versions=3, fault=fault, **QUICK)
    f.start()
    dropped = f.lines("opening-dropped")
    assert len(dropped) == 2 and "h0: not today; h1: not today" in dropped[0]["reason"]
    assert len(f.made()) == 3
    f.check_all()


def test_an_update_sent_a_second_time_is_refused_before_it_costs_others_their_list(consortium: Make) -> None:
    """Signed anew by its hospital, but the seeds, statement and values of an earlier one."""
    kept: list[Update] = []

    def again(message: Message, reply: Message) -> Outcome:
        update = read_reply(reply.content)
        if not isinstance(update, Update):
            return [(0.0, reply)]
        kept.append(update)
        if len(kept) < 2:
            return [(0.0, reply)]
        first = kept[0]
        return answered(
            message, sign(replace(update, committee=first.committee, payload=first.payload), toy_identity(4))
        )

    f = consortium(compute=COMPUTE[:5], versions=6, fault=on(4, TRAIN, again), **QUICK)
    f.start()
    refused = f.lines("malformed")
    assert refused and all(line["node"] == "4" and "was sent before" in line["reason"] for line in refused)
    assert len(f.made()) == 6 and not f.lines("opening-dropped")
    f.check_all([1, 2, 3, 5])
