"""AsyncHybrid's order of events, buffer, caps and accounts, against values worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord
from flwr.serverapp.strategy import Strategy

from crossward.config.schedule import Schedule
from crossward.protocol.messages import ALONE
from strategies.async_hybrid import AsyncHybrid
from strategies.fedavg import FedAvg
from strategies.history.state import RunError

BY_SIZE = {"weighting": "examples", "damping": "relative", "exponents": "0.5,0.5,1"}


def sites(line: dict[str, Any]) -> list[str]:
    return [site.removeprefix("toy-") for site in line["sites"]]


def test_arrivals_staleness_and_weights_are_those_of_the_speeds(federation: Any) -> None:
    """Seconds a task: A 1, B 2, C 3, D 10; a buffer of 3; examples 10 to 40, reported as 16, 16, 32, 32; W = 128."""
    constant = Schedule(versions=5, local_steps=5, peak=0.05, kind="constant")
    f = federation(compute=(1, 2, 3, 10), schedule=constant, max_share=0.6, **BY_SIZE)
    f.start()
    made = f.made()
    # A, B, C at 1, 2, 3; then 4, 5, 6; then 7, 8, 9. At 10: D (of version 0) was sent before A. B at 11 fills.
    # C (of version 3) and A at 12, B at 13.
    assert [sites(line) for line in made] == [["0", "1", "2"]] * 3 + [["3", "0", "1"], ["2", "0", "1"]]
    assert [line["staleness"] for line in made] == [[0, 0, 0]] * 3 + [[3, 0, 0], [1, 0, 0]]
    assert [line["seconds"] for line in made] == [3, 3, 3, 2, 2]
    # 16:16:32 of 128
    assert made[0]["weights"] == [32, 32, 64]
    # D 32/sqrt(4) = 16, A 16, B 16: 42.67 each, and A's and B's keys sort before D's
    assert made[3]["weights"] == [42, 43, 43]
    # C 32/sqrt(2) = 22.6274, A 16, B 16 of 54.6274: 53.02, 37.49, 37.49
    assert made[4]["weights"] == [53, 38, 37]
    f.check_accounts()
    f.check_agreement()
    # D is idle at 11, needs 10 s and would come when the run is complete: only its evaluation is waited for
    assert not f.lines("late") and f.clock.now() == 23


def test_an_update_of_an_older_scale_epoch_enters_multiplied(federation: Any) -> None:
    """The same arrivals with a falling rate: epochs by base version are 0, 0, 0, 1, 2."""
    f = federation(compute=(1, 2, 3, 10), versions=5, **BY_SIZE)
    f.start()
    made = f.made()
    assert [line["epoch"] for line in made] == [0, 0, 0, 1, 2]
    assert [a["multiplier"] for a in f.lines("accepted") if a["staleness"]] == [2, 2]
    # D by twos: 21 of 21.33, A 42 of 42.67, B 42 of 42.67: two of 128 are left, one for A and one for B
    assert made[3]["weights"] == [2 * 21, 43, 43]
    # C by twos: 26 of 26.51, A 37 of 37.49, B 37 of 37.49: two are left, and C is furthest below what it wanted
    assert made[4]["weights"] == [2 * 27, 37, 37]
    f.check_accounts()
    f.check_agreement()


def test_train_loss_is_the_shares_mean_of_mean_losses(federation: Any) -> None:
    f = federation(compute=(1, 2, 3), versions=2, weighting="examples", max_share=0.6)
    f.start()
    line = f.made()[0]
    assert line["train_loss"] == pytest.approx(np.dot([1 / 4, 1 / 4, 2 / 4], line["losses"]))


def test_a_run_reaches_its_last_version_and_everyone_holds_it(federation: Any) -> None:
    f = federation(compute=(10, 10, 15, 20, 7, 12), versions=12, evaluate_every=3, weighting="paper")
    result = f.start()
    assert f.strategy.state.version == 12
    assert f.lines("finished")[0]["reason"] == "all 12 versions are made"
    f.check_accounts()
    f.check_agreement()
    assert [line["version"] for line in f.lines("evaluated")] == [3, 6, 9, 12]
    assert sorted(result.evaluate_metrics_clientapp) == [3, 6, 9, 12]
    assert sorted(result.train_metrics_clientapp) == list(range(1, 13))
    assert not f.lines("disagreement")


def test_the_same_run_twice_is_the_same_run(federation: Any, tmp_path: Any) -> None:
    logs = []
    for name in ("a", "b"):
        f = federation(folder=tmp_path / name, versions=5, mbit=50.0, evaluate_every=2)
        f.start()
        logs.append(f.journal.log)
    assert logs[0] == logs[1]


def test_num_rounds_ends_a_run_early(federation: Any) -> None:
    f = federation(versions=6)
    f.strategy.start(f.grid, num_rounds=2)
    assert f.strategy.state.version == 2
    assert f.lines("finished")[0]["reason"] == "all 2 versions are made"


def test_the_newest_record_is_what_start_returns(federation: Any) -> None:
    f = federation(versions=2, compute=(1, 1, 1))
    result = f.start()
    data = bytes(f.journal.open("versions/000002")[1].data)
    assert result.arrays["record"].data == data


def test_flowers_hooks_work_one_by_one(federation: Any) -> None:
    """Whoever drives configure_train and aggregate_train by hand gets what start does."""
    f = federation(versions=1, compute=(1, 1, 1))
    s = f.strategy
    messages = list(s.configure_train(1, ArrayRecord(), ConfigRecord(), f.grid))
    assert sorted(message.metadata.dst_node_id for message in messages) == [1, 2, 3]
    f.grid.push_messages(messages)
    assert list(s.configure_train(1, ArrayRecord(), ConfigRecord(), f.grid)) == []  # all are at work
    f.clock.time = 1.0
    replies = f.grid.pull_messages([])
    assert s.aggregate_train(1, replies[:2]) == (None, None)
    arrays, metrics = s.aggregate_train(1, replies[2:])
    assert arrays is None and metrics["contributors"] == 3  # the server has no adapter to return
    assert s.state.version == 1
    assert s.aggregate_evaluate(1, []) is None
    assert [line["event"] for line in f.journal.events() if "task" in line] == ["dispatched"] * 3 + ["accepted"] * 3


@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
def test_flowers_own_loop_makes_the_versions_that_start_makes(
    federation: Any, tmp_path: Path, kind: type[AsyncHybrid]
) -> None:
    """Flower's Strategy.start knows the hooks alone: it composes, sends and hands in with them."""
    given = {"versions": 4, "compute": (1, 1, 1), "evaluate_every": 2, "kind": kind}
    mine, flowers = (federation(folder=tmp_path / name, **given) for name in ("mine", "flowers"))
    mine.start()
    result = Strategy.start(flowers.strategy, flowers.grid, ArrayRecord(), num_rounds=4)
    assert [line["digest"] for line in flowers.made()] == [line["digest"] for line in mine.made()]
    assert len(flowers.made()) == 4 and result.arrays is not None
    assert not [line for line in flowers.journal.events() if line["event"] in ("duplicate", "failed")]
    trained = [[line["task"] for line in f.lines("accepted")] for f in (flowers, mine)]
    assert len(trained[0]) == len(trained[1]) == 12 and len(flowers.lines("measured")) == 6
    assert {line["task"] for line in flowers.lines("dispatched")} >= set(trained[0])


def test_start_sends_what_configure_train_composes(federation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    f = federation(versions=2, compute=(1, 1, 1))
    composed: list[str] = []
    configure = f.strategy.configure_train

    def watched(*args: Any) -> Any:
        for message in configure(*args):
            yield message
            composed.append(message.metadata.message_id)  # it was pushed before the next is composed

    monkeypatch.setattr(f.strategy, "configure_train", watched)
    f.start()
    assert composed and all(composed) and len(composed) == len(f.lines("dispatched")) - len(f.lines("measured"))


@pytest.mark.parametrize("hook", ["configure_train", "configure_evaluate", "aggregate_train", "aggregate_evaluate"])
def test_start_does_its_work_through_flowers_hooks(federation: Any, monkeypatch: pytest.MonkeyPatch, hook: str) -> None:
    f = federation(versions=3, compute=(1, 1, 1), evaluate_every=2)
    given, handed = getattr(f.strategy, hook), 0

    def watched(number: int, *args: Any) -> Any:
        nonlocal handed
        for message in given(number, *args):
            handed += 1
            yield message

    def taking(number: int, replies: Any) -> Any:
        def counted() -> Any:
            nonlocal handed
            for message in replies:
                handed += 1
                yield message

        return given(number, counted())

    monkeypatch.setattr(f.strategy, hook, watched if hook.startswith("configure") else taking)
    f.start()
    trained, measured = len(f.lines("accepted", "late")), len(f.lines("measured"))
    assert handed == (trained if hook.endswith("train") else measured) > 0 and f.strategy.state.version == 3


def test_a_task_that_was_composed_and_never_sent_leaves_its_node_idle(federation: Any) -> None:
    f = federation(versions=1, compute=(1, 1, 1))
    s, ask = f.strategy, (1, ArrayRecord(), ConfigRecord(), f.grid)
    first = list(s.configure_train(*ask))
    second = list(s.configure_train(*ask))
    assert len(first) == len(second) == 3
    f.grid.push_messages(second)
    f.clock.time = 1.0
    assert s.aggregate_train(1, f.grid.pull_messages([]))[1]["contributors"] == 3


def test_a_task_sent_by_hand_that_nobody_answers_is_given_up_at_its_deadline(federation: Any) -> None:
    f = federation(versions=1, compute=(1, 1, 1), fault=lambda node, message, reply: [])
    s, ask = f.strategy, (1, ArrayRecord(), ConfigRecord(), f.grid)
    f.grid.push_messages(list(s.configure_train(*ask)))
    assert list(s.configure_train(*ask)) == []
    f.clock.time = max(flight.deadline for flight in s.state.roster.flights.values())
    assert s.aggregate_train(1, []) == (None, None)
    assert [line["reason"].startswith("no reply within") for line in f.lines("failed")] == [True] * 3


def test_an_evaluation_of_an_older_version_does_not_answer_a_newer_round(federation: Any) -> None:
    f = federation(compute=(10, 10, 10, 90), versions=12, evaluate_every=3)
    f.start()
    last = {line["node"]: line["version"] for line in f.lines("measured")}
    assert last == {"1": 12, "2": 12, "3": 12, "4": 12}
    f.check_agreement()


# ---------------------------------------------------------------------- the buffer


def test_max_wait_makes_a_version_of_fewer_than_a_buffer(federation: Any) -> None:
    f = federation(
        compute=(1, 2, 3, 500), versions=2, buffer_size=4, min_contributors=3, max_wait=20.0, max_staleness=0
    )
    f.start()
    first = f.made()[0]
    assert sites(first) == ["0", "1", "2"]
    assert first["seconds"] == 20.0
    f.check_accounts()


def test_max_wait_does_not_make_a_version_of_fewer_than_min_contributors(federation: Any) -> None:
    f = federation(
        compute=(1, 2, 50, 500), versions=1, buffer_size=4, min_contributors=3, max_wait=20.0, max_staleness=0
    )
    f.start()
    assert sites(f.made()[0]) == ["0", "1", "2"]
    assert f.made()[0]["seconds"] == 50.0


def test_the_moment_that_max_wait_names_is_the_moment_that_it_ends(federation: Any) -> None:
    """0.1 + 0.7 - 0.1 < 0.7 in floating point: the run must not sleep on because of that."""
    f = federation(compute=(0.1, 0.1, 0.1, 100), versions=2, buffer_size=4, min_contributors=3, max_wait=0.7)
    f.start()
    moments = np.cumsum([line["seconds"] for line in f.made()])
    assert moments[0] == pytest.approx(0.7)
    assert moments[1] == pytest.approx(1.4)


def test_one_update_per_hospital_in_a_buffer(federation: Any) -> None:
    """A fast node waits for the others instead of filling the buffer alone."""
    f = federation(compute=(1, 30, 30), versions=3)
    f.start()
    assert all(sorted(sites(line)) == ["0", "1", "2"] for line in f.made())
    f.check_accounts()
    assert f.counts()["accepted"] == 9


def test_two_nodes_with_one_identity_are_one_hospital(federation: Any) -> None:
    from crossward.simulation.toy import toy_identity

    f = federation(
        compute=(1, 2, 3, 4), versions=3, retry_seconds=1.0, identity=lambda n: toy_identity(1 if n == 1 else n + 1)
    )
    f.start()
    assert f.counts()["duplicate"] >= 1
    assert "same hospital already waits" in f.lines("duplicate")[0]["reason"]
    f.check_accounts()


# ---------------------------------------------------------------------- who is asked


def most_at_once(f: Any) -> int:
    under_way, most = 0, 0
    for line in f.journal.events():
        if line["event"] == "dispatched":
            under_way += 1
        elif line["event"] in ("accepted", "measured", "failed", "late", "behind", "malformed", "duplicate"):
            under_way -= line["task"] >= 0
        most = max(most, under_way)
    return most


def test_without_a_cap_every_idle_node_works(federation: Any) -> None:
    f = federation(compute=(10,) * 6, versions=2)
    f.start()
    assert most_at_once(f) == 6


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_concurrency_caps_tasks_under_way(federation: Any, cap: int) -> None:
    f = federation(compute=(10, 11, 12, 13, 14), versions=4, concurrency=cap)
    f.start()
    assert most_at_once(f) == cap
    f.check_accounts()
    f.check_agreement()


def test_a_waiting_newcomer_does_not_keep_others_from_being_asked(federation: Any) -> None:
    """With a cap of 1 the newcomer is the least trained, but its update waits: another must be asked."""
    f = federation(compute=(1, 1, 1, 1), versions=8, concurrency=1, joins={4: 8.5})
    f.start()
    assert len(f.made()) == 8


def test_the_least_trained_are_asked_first(federation: Any) -> None:
    f = federation(compute=(1,) * 6, versions=4, concurrency=3)
    f.start()
    trained = [line["node"] for line in f.lines("dispatched") if line["kind"] == "train"]
    assert trained[:6] == ["1", "2", "3", "4", "5", "6"]


def test_too_few_nodes_end_with_an_error_that_names_the_key(federation: Any) -> None:
    f = federation(compute=(1, 1), versions=1, min_nodes=3, stall_timeout=60.0)
    with pytest.raises(RunError, match=r"2 nodes connected .*within 60 s.*min-nodes asks for 3"):
        f.start()
    assert 60 <= f.clock.now() < 62


def test_a_run_in_which_nothing_is_ever_accepted_is_given_up_with_the_last_reason(federation: Any) -> None:
    f = federation(compute=(10,) * 4, versions=2, fault=lambda node, m, r: [], task_timeout=30.0)
    with pytest.raises(RunError, match=r"every node failed 3 times .*no reply within 120 s"):
        f.start()
    assert f.counts() == {"started": 1, "joined": 4, "dispatched": 12, "failed": 12}


def test_a_run_that_no_longer_gets_on_is_given_up(federation: Any) -> None:
    def fault(node: int, message: Any, reply: Any) -> Any:
        return [] if f.strategy.state.version else [(0.0, reply)]

    f = federation(compute=(10,) * 4, versions=5, fault=fault, task_timeout=30.0, stall_timeout=200.0)
    with pytest.raises(RunError, match=r"no update was accepted for 200 s .*strategy.task-timeout.*can be resumed"):
        f.start()
    assert f.strategy.state.version == 1


def test_the_last_task_reaches_every_node_once(federation: Any) -> None:
    f = federation(compute=(1, 2, 3, 9), versions=2, last_task=ALONE)
    f.start()
    alone = [line["node"] for line in f.lines("dispatched") if line["kind"] == "train.alone"]
    assert sorted(alone) == ["1", "2", "3", "4"]
    assert all("own_tokens" in line for line in f.lines("measured"))
    f.check_accounts()


def test_async_hybrid_needs_no_more_than_its_own_hooks_to_be_fedavg() -> None:
    from strategies.fedavg import FedAvg

    assert set(vars(FedAvg)) - {"__module__", "__doc__", "__init__", "__abstractmethods__", "_abc_impl"} == {
        "_choose",
        "_able",
        "_step_in",
        "_sampled",
        "goes_on",
        "lists_at_once",
        "may_train",
        "ready",
        "worth_asking",
    }
    assert issubclass(FedAvg, AsyncHybrid)


def test_a_run_of_slow_nodes_is_not_given_up_before_they_can_have_answered(federation: Any) -> None:
    f = federation(compute=(90, 90, 90, 400), versions=3, stall_timeout=100.0)
    assert f.strategy.ending.patience() == 100.0
    f.start()
    assert f.strategy.ending.patience() == 3 * 400
