"""Members that answer wrongly: the version is made again of right answers, and exactly they are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flwr.app import Message

from client_app.identity import sign
from crossward.encryption.committee.opening import Answer
from crossward.protocol.messages import ANSWER, FAILED, TRAIN, Failure, Update
from crossward.protocol.wire import read_reply, read_task
from crossward.simulation.toy import toy_identity
from strategies.async_hybrid import AsyncHybrid
from strategies.fedavg import FedAvg
from tests.strategies.opening.consortium import (
    CommitteeFederation,
    Make,
    Outcome,
    answered,
    both,
    changed_answer,
    combined,
    on,
    wrong_share,
    wrong_tag,
)

COMPUTE = (10.0, 12.0, 15.0, 11.0, 13.0)
QUICK: dict[str, Any] = {"retry_seconds": 1.0, "task_timeout": 200.0}


def inconsistent() -> Callable[[Answer], Answer]:
    """Another lie every time."""
    count = 0

    def change(answer: Answer) -> Answer:
        nonlocal count
        count += 1
        for _ in range(count):
            answer = wrong_tag(answer) if count % 2 else wrong_share(answer)
        return answer if count % 3 else wrong_share(wrong_tag(answer))

    return change


LIES: dict[str, Callable[[Message, Message], Outcome]] = {
    "a wrong share": changed_answer(0, wrong_share),
    "a wrong tag": changed_answer(0, wrong_tag),
    "wrong in the combined answer only": changed_answer(0, wrong_share, combined),
    "another lie every time": changed_answer(0, inconsistent()),
}


def with_liar(consortium: Make, act: Any, members: int, **given: Any) -> CommitteeFederation:
    f = consortium(compute=COMPUTE[: max(members, 3)], members=members, fault=on(1, ANSWER, act), **QUICK | given)
    f.start()
    return f


@pytest.mark.parametrize("members", [4, 3])
@pytest.mark.parametrize("lie", LIES)
def test_a_liar_is_named_and_the_version_is_made_again(consortium: Make, lie: str, members: int) -> None:
    f = with_liar(consortium, LIES[lie], members, versions=4)
    assert len(f.made()) == 4 and not f.lines("void", "opening-dropped", "excluded")
    liars, corrected = f.lines("liar"), f.lines("corrected")
    assert liars and {line["member"] for line in liars} == {"h0"} and corrected
    assert all("h0" not in line["openers"] for line in corrected[-1:]) or members == 3
    assert f.strategy.state.run.liars == {"h0"}
    later = [line for line in f.made() if line["version"] > liars[0]["version"] + 1]
    assert all("h0" not in line["openers"] for line in later)
    f.check_all()


@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
def test_a_liar_in_the_last_version_is_named_before_the_run_ends(consortium: Make, kind: Any) -> None:
    f = with_liar(consortium, LIES["a wrong share"], 4, versions=1, kind=kind)
    assert [line["member"] for line in f.lines("liar")] == ["h0"] and len(f.lines("corrected")) == 1
    f.check_all()


def test_several_versions_may_be_wrong_at_once(consortium: Make) -> None:
    """The next version is opened, wrongly too, before anybody has looked at the one before."""
    f = consortium(
        compute=(10.0, 10.0, 10.0, 14.0, 14.0, 14.0, 60.0),
        versions=5,
        fault=on(1, ANSWER, LIES["a wrong tag"]),
        **QUICK,
    )
    f.start()
    assert len(f.made()) == 5 and {line["member"] for line in f.lines("liar")} == {"h0"}
    assert not f.lines("void")
    f.check_all()


def test_a_member_away_during_the_comparison_does_not_matter(consortium: Make) -> None:
    f = with_liar(consortium, LIES["a wrong share"], 4, versions=4, leaves={4: 17.0})
    assert len(f.made()) == 4 and {line["member"] for line in f.lines("liar")} == {"h0"}
    f.check_all([1, 2, 3])


# ---------------------------------------------------------------------- wrong tags, wrong complaints


def test_a_wrong_tag_of_a_hospital_costs_its_version_and_blames_no_member(consortium: Make) -> None:
    f = consortium(compute=(*COMPUTE, 14.0), versions=10, false_tags=lambda number, task: number == 0, **QUICK)
    f.start()
    assert not f.lines("liar", "corrected")
    voided, bad = f.lines("void"), f.strategy.state.roster.nodes[1].hospital
    assert len(voided) == 2 and all(bad in line["hospitals"] for line in voided)
    assert [line["hospital"] for line in f.lines("excluded")] == [bad]
    counted = [line for line in f.made() if line["version"] not in f.strategy.state.run.discarded_versions]
    assert counted and all("toy-0" not in line["sites"] for line in counted)
    f.check_all([2, 3, 4, 5, 6])


def complaining(message: Message, reply: Message) -> Outcome:
    """As if the newest version could not be verified."""
    task = read_task(message.content)
    if not task.records:
        return [(0.0, reply)]
    last = task.records[-1][0]
    told = f"the record of versions {last.first} to {last.last} does not open: a lie"
    return [
        (-0.9 * 10.0, answered(message, Failure(task.lineage, task.task, FAILED, told, 0, last.first, last.last))[0][1])
    ]


@pytest.mark.parametrize("members", [4, 3])
@pytest.mark.parametrize("lies", [False, True])
def test_a_hospital_that_complains_of_good_versions_harms_nobody(consortium: Make, members: int, lies: bool) -> None:
    """It is on the committee, at once after every version, and may answer otherwise when it is asked again."""
    complain = on(1, TRAIN, complaining)
    alone = changed_answer(0, wrong_share, lambda answer: not combined(answer))
    fault = both(complain, on(1, ANSWER, alone)) if lies else complain
    compute = (10.0, 12.0, 15.0, 13.0)[: max(members, 4)]
    f = consortium(compute=compute, members=members, versions=5, fault=fault, **QUICK)
    f.start()
    assert len(f.made()) == 5 and not f.lines("void", "excluded")
    assert {line["member"] for line in f.lines("liar")} <= ({"h0"} if lies else set())
    f.check_all([2, 3, 4])


def test_one_hospitals_word_that_it_holds_a_wrong_version_settles_nothing(consortium: Make) -> None:
    """The liar reports a state of the version that it spoiled, made up, before any other hospital complains."""
    state: dict[str, Any] = {}

    def pretend(message: Message, reply: Message) -> Outcome:
        content, task = read_reply(reply.content), read_task(message.content)
        if isinstance(content, Update) and task.version == 0:
            state["update"] = content
        if task.version != 1 or "update" not in state:
            return [(0.0, reply)]
        given = {"task": task.task, "version": 1, "epoch": task.epoch, "state_hash": "f" * 32}
        return [(-9.0, answered(message, sign(replace(state["update"], **given), toy_identity(1)))[0][1])]

    fault = both(on(1, TRAIN, pretend), on(1, ANSWER, LIES["a wrong share"]))
    f = consortium(compute=COMPUTE, versions=4, fault=fault, evaluate_every=0, **QUICK)
    f.start()
    assert len(f.made()) == 4 and {line["member"] for line in f.lines("liar")} == {"h0"}
    assert not f.lines("void")
    f.check_agreement([2, 3, 4, 5])
