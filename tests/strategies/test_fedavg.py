"""FedAvg on the same code: rounds wait for all; stragglers are late."""

from __future__ import annotations

from typing import Any

import pytest
from flwr.app import Message

from crossward.config.schedule import Schedule
from crossward.encryption.plan import PlanError
from crossward.simulation.toy import ToyLearner
from strategies.fedavg import FedAvg

CONSTANT = Schedule(versions=3, local_steps=5, peak=0.05, kind="constant")


def fedavg(federation: Any, **keywords: Any) -> Any:
    given: dict[str, Any] = {
        "name": "fedavg",
        "buffer_size": 0,
        "weighting": "examples",
        "schedule": CONSTANT,
    } | keywords
    f = federation(kind=FedAvg, **given)
    f.start()
    return f


def test_a_round_waits_for_everyone(federation: Any) -> None:
    f = fedavg(federation, compute=(1, 2, 3, 40))
    made = f.made()
    assert [line["seconds"] for line in made] == [40, 40, 40]
    assert all(line["staleness"] == [0, 0, 0, 0] for line in made)
    # 10, 20, 30, 40 examples count as 16, 16, 32, 32, of W = 128: 21.33, 21.33, 42.67, 42.67
    assert all(sorted(line["weights"]) == [21, 21, 43, 43] for line in made)
    assert f.counts()["accepted"] == 12 and f.counts()["late"] == 0
    f.check_accounts()
    f.check_agreement()


def test_a_straggler_after_max_wait_is_late(federation: Any) -> None:
    f = fedavg(federation, compute=(1, 2, 3, 25), max_wait=10.0)
    made = f.made()
    assert made[0]["seconds"] == 10
    assert all(sorted(line["sites"]) == ["toy-0", "toy-1", "toy-2"] for line in made)
    (late, *_) = f.lines("late")
    assert late["node"] == "4" and "versions behind, at most 0" in late["reason"]
    f.check_accounts()
    f.check_agreement()


def test_a_version_made_by_max_wait_is_sent_out_at_once(federation: Any) -> None:
    f = fedavg(federation, compute=(1, 2, 3, 25), max_wait=10.0)
    assert [line["seconds"] for line in f.made()] == [10, 10, 10]


def test_a_round_samples_as_many_as_the_buffer_and_others_rest(federation: Any) -> None:
    f = fedavg(federation, compute=(1,) * 8, buffer_size=3, schedule=Schedule(versions=6, local_steps=5, peak=0.05))
    assert all(len(line["tasks"]) == 3 for line in f.made())
    assert len({tuple(sorted(line["sites"])) for line in f.made()}) > 1
    trained = [line for line in f.lines("dispatched") if line["kind"] == "train"]
    assert len(trained) == 18
    f.check_accounts()
    f.check_agreement()


def test_a_member_that_leaves_or_fails_for_good_ends_no_round(federation: Any) -> None:
    def never(who: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        return [] if who == 5 and message.metadata.message_type == "train" else [(0.0, reply)]

    f = fedavg(federation, compute=(1, 2, 3, 4, 1), leaves={4: 2.0}, fault=never, task_timeout=10.0, retry_seconds=1.0)
    assert [sorted(line["sites"]) for line in f.made()] == [["toy-0", "toy-1", "toy-2"]] * 3
    # Deadlines double: 10, 20, 40; 80, 160, 320; 640 is beyond the round's max-wait. And the one that left.
    assert f.counts()["failed"] == 3 + 3 + 1 + 1
    f.check_accounts()
    f.check_agreement([1, 2, 3])


@pytest.mark.parametrize("lost", range(1, 6))
@pytest.mark.parametrize("how", ["leaves", "fails"])
def test_who_was_not_sampled_steps_in_for_a_member_that_is_lost(federation: Any, lost: int, how: str) -> None:
    """Of five a round takes three, and a version needs them all."""

    def never(who: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        return [] if who == lost and message.metadata.message_type == "train" else [(0.0, reply)]

    given = {"leaves": {lost: 0.5}} if how == "leaves" else {"fault": never, "retry_seconds": 1.0}
    f = fedavg(federation, compute=(1,) * 5, buffer_size=3, max_wait=60.0, task_timeout=10.0, **given)
    made = f.made()
    assert len(made) == 3 and all(len(line["sites"]) == 3 for line in made)
    assert f"toy-{lost - 1}" not in {site for line in made for site in line["sites"]}
    assert max(line["seconds"] for line in made) < 600.0  # the deadlines of who never answers double
    f.check_accounts()
    f.check_agreement([node for node in range(1, 6) if node != lost])


def test_a_newcomer_is_in_the_next_round(federation: Any) -> None:
    f = fedavg(federation, compute=(5, 5, 5, 5), joins={4: 2.0})
    assert [len(line["tasks"]) for line in f.made()] == [3, 4, 4]
    f.check_accounts()
    f.check_agreement()


def test_more_nodes_than_w_can_weigh_are_refused(federation: Any) -> None:
    from crossward.encryption.plan import FieldPlan

    with pytest.raises(PlanError, match="buffer-size = 5 is more than a quarter of W = 16"):
        fedavg(federation, compute=(1,) * 5, plan=FieldPlan(8, 4, 2))


class Odd(ToyLearner):
    """Node 1 (number 0), the fastest, has another base model."""

    def __init__(self, number: int, *args: Any, **keywords: Any) -> None:
        super().__init__(number, *args, **keywords)
        if number == 0:
            self.layout = "another-layout"


def test_a_minority_of_another_layout_that_answers_first_does_not_stop_the_round(federation: Any) -> None:
    f = fedavg(federation, compute=(1, 2, 3, 4), learner=Odd)
    assert f.strategy.state.version == 3


def test_a_minority_of_another_layout_that_answers_last_is_refused(federation: Any) -> None:
    f = fedavg(federation, compute=(9, 2, 3, 4), learner=Odd)
    assert f.strategy.state.version == 3
    assert all(line["node"] == "1" for line in f.lines("wrong-layout")) and f.lines("wrong-layout")
    f.check_accounts()
    f.check_agreement([2, 3, 4])
