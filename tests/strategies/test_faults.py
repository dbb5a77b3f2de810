"""Nodes that leave, fail, lie, repeat themselves or come late: each outcome has its line, no sum is touched."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, RecordDict

from client_app.identity import sign
from client_app.payloads import Vault
from client_app.state import StateFolder
from client_app.trained import Trained
from crossward.config.schedule import Schedule
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import VERSION, Failure, Update
from crossward.protocol.wire import read_reply, read_task, write_reply
from crossward.simulation.toy import ToyLearner, toy_identity

Outcome = list[tuple[float, Message]]
TOY = Vault().layout("toy-layout-16", 2)


def at(node: int, times: set[int], act: Callable[[Message, Message], Outcome]) -> Callable[..., Outcome]:
    """A fault that does ``act`` to the ``times``-th replies (from 1) of a node and nothing to the others."""
    seen = 0

    def fault(who: int, message: Message, reply: Message) -> Outcome:
        nonlocal seen
        if who != node:
            return [(0.0, reply)]
        seen += 1
        return act(message, reply) if seen in times else [(0.0, reply)]

    return fault


def resigned(message: Message, reply: Message, number: int, **changes: Any) -> Outcome:
    """The reply's update with changed facts, signed again by its owner."""
    update = read_reply(reply.content)
    assert isinstance(update, Update)
    changed = sign(replace(update, **changes), toy_identity(number + 1))
    return [(0.0, Message(content=write_reply(changed), reply_to=message))]


def edited(message: Message, reply: Message, edit: Callable[[RecordDict], None]) -> Outcome:
    edit(reply.content)
    return [(0.0, reply)]


# ---------------------------------------------------------------------- gone, lost, twice


def test_a_node_that_leaves_with_a_task_fails_it_and_the_others_go_on(federation: Any) -> None:
    f = federation(compute=(1, 2, 3, 10), versions=20, leaves={4: 5.0})
    f.start()
    (failed,) = f.lines("failed")
    assert (failed["node"], failed["reason"]) == ("4", "Flower error 5: Node Unavailable")
    assert [line["node"] for line in f.lines("left")] == ["4"]
    assert all("toy-3" not in line["sites"] for line in f.made())
    f.check_accounts()
    f.check_agreement([1, 2, 3])


def test_a_node_may_leave_and_come_back(federation: Any) -> None:
    f = federation(compute=(1, 2, 3, 10), versions=40, leaves={4: 25.0})
    absent = f.nodes[4]

    original = f.grid.get_node_ids
    f.grid.get_node_ids = lambda: [*original(), *([4] if f.clock.now() >= 60 else [])]
    push = f.grid._push

    def back(message: Message) -> str:
        if f.clock.now() >= 60:
            absent.leaves = float("inf")
        return push(message)

    f.grid._push = back
    f.start()
    assert [line["node"] for line in f.lines("joined")] == ["1", "2", "3", "4", "4"]
    assert any("toy-3" in line["sites"] for line in f.made()[-10:])
    f.check_accounts()
    f.check_agreement()


def test_a_lost_reply_is_failed_after_the_timeout_and_the_node_is_asked_again(federation: Any) -> None:
    f = federation(compute=(1, 2, 3, 4), versions=30, task_timeout=20.0, fault=at(4, {1}, lambda m, r: []))
    f.start()
    (failed,) = f.lines("failed")
    assert failed["node"] == "4" and "no reply within 20 s" in failed["reason"]
    sent = [line["task"] for line in f.lines("dispatched") if line["node"] == "4"]
    assert len(sent) > 1 and f.outcomes()[sent[1]] == ["accepted"]
    f.check_accounts()
    f.check_agreement()


def test_a_reply_that_comes_twice_counts_once(federation: Any) -> None:
    f = federation(versions=4, fault=lambda who, m, r: [(0.0, r), (0.5, r)])
    f.start()
    outcomes = f.counts()
    assert outcomes["duplicate"] >= outcomes["accepted"]
    assert all(line["reason"] == "a reply to no task under way" for line in f.lines("duplicate"))
    f.check_accounts()
    f.check_agreement()


def test_a_reply_after_the_timeout_is_a_duplicate(federation: Any) -> None:
    slow = at(4, {1}, lambda m, r: [(30.0, r)])
    f = federation(compute=(1, 2, 3, 4), versions=30, task_timeout=20.0, fault=slow)
    f.start()
    assert f.counts()["failed"] == 1 and f.counts()["duplicate"] == 1
    f.check_accounts()
    f.check_agreement()


# ---------------------------------------------------------------------- malformed


def noise(content: RecordDict) -> None:
    data = random.Random(1).randbytes(64)
    content.clear()
    content["noise"] = ArrayRecord({"x": Array("uint8", (64,), "raw.bytes", data)})


def truncate(content: RecordDict) -> None:
    data = content.array_records["payload"]["bytes"].data[:-1]
    content["payload"] = ArrayRecord({"bytes": Array("uint8", (len(data),), "raw.bytes", data)})


def flip(content: RecordDict) -> None:
    data = bytearray(content.array_records["payload"]["bytes"].data)
    data[0] ^= 1
    content["payload"] = ArrayRecord({"bytes": Array("uint8", (len(data),), "raw.bytes", bytes(data))})


def fact(name: str, value: Any) -> Callable[[RecordDict], None]:
    def change(content: RecordDict) -> None:
        content.config_records["facts"][name] = value

    return change


def other_records(content: RecordDict) -> None:
    content.clear()
    content["facts"] = ConfigRecord({"protocol": VERSION})


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (noise, "no 'facts' record"),
        (other_records, "lacks 'reply'"),
        (truncate, "the index speaks of 16 bytes but the payload has 15"),
        (flip, "signature"),
        (fact("lineage", "another"), "lineage 'another'"),
        (fact("task", 9999), "task 9999"),
        (fact("version", 3), "version is 3, expected 0"),
        (fact("protocol", 99), "speaks protocol 99"),
        (fact("signature", b"x" * 64), "signature"),
        (fact("site", "somewhere else"), "signature"),
        (fact("steps", 4), "signature"),
        (RecordDict.clear, "no 'facts' record"),
    ],
)
def test_a_malformed_reply_touches_nothing_and_the_node_is_asked_again(
    federation: Any, edit: Callable[[RecordDict], None], text: str
) -> None:
    f = federation(compute=(1, 2, 3, 4), versions=12, fault=at(4, {1}, lambda m, r: edited(m, r, edit)))
    f.start()
    (line,) = f.lines("malformed")
    assert text in line["reason"]
    assert (line["node"], line["version"]) == ("4", 0)
    tasks = [line["task"] for line in f.lines("dispatched") if line["node"] == "4"]
    assert f.outcomes()[tasks[1]] == ["accepted"]
    f.check_accounts()
    f.check_agreement()


def test_an_evaluation_in_reply_to_training_is_malformed(federation: Any) -> None:
    kept: list[Message] = []

    def swap(who: int, message: Message, reply: Message) -> Outcome:
        if who == 1 and message.metadata.message_type == "train" and kept:
            content = kept.pop().content
            task = read_task(message.content)
            content.config_records["facts"]["task"] = task.task
            return [(0.0, Message(content=content, reply_to=message))]
        if message.metadata.message_type == "evaluate" and who == 1 and not kept:
            kept.append(reply)
        return [(0.0, reply)]

    f = federation(compute=(10, 10, 10, 10), versions=6, evaluate_every=2, fault=swap)
    f.start()
    assert "Evaluation came in reply to 'train'" in f.lines("malformed")[0]["reason"]
    f.check_accounts()


def test_a_task_that_a_node_could_not_read_is_in_the_ledger_with_the_nodes_reason(federation: Any) -> None:
    def unread(message: Message, reply: Message) -> Outcome:
        content = write_reply(Failure("", -1, "malformed", "the message lacks 'plan'", -1))
        return [(0.0, Message(content=content, reply_to=message))]

    f = federation(compute=(1, 2, 3, 4), versions=6, fault=at(4, {1}, unread))
    f.start()
    assert "the message lacks 'plan'" in f.lines("malformed")[0]["reason"]


def test_an_error_of_flowers_is_failed_with_its_reason(federation: Any) -> None:
    def broken(message: Message, reply: Message) -> Outcome:
        return [(0.0, Message(Error(code=3, reason="out of memory"), reply_to=message))]

    f = federation(compute=(1, 2, 3, 4), versions=10, fault=at(2, {2}, broken))
    f.start()
    assert [line["reason"] for line in f.lines("failed")] == ["Flower error 3: out of memory"]
    f.check_accounts()
    f.check_agreement()


class Diverging(ToyLearner):
    """Node 4 (number 3) diverges while it trains from version 0."""

    def train(self, start: Any, version: int, rng: np.random.Generator) -> Trained:
        trained = super().train(start, version, rng)
        if self.site == "toy-3" and version == 0:
            return replace(trained, vector=trained.vector * np.float32("nan"))
        return trained


def test_a_training_that_diverged_is_failed_with_its_reason(federation: Any) -> None:
    f = federation(compute=(1, 2, 3, 4), versions=20, learner=Diverging)
    f.start()
    (line,) = f.lines("failed")
    assert line["node"] == "4" and "lower train.learning-rate" in line["reason"]
    f.check_accounts()
    f.check_agreement()


def test_pauses_between_attempts_double(federation: Any) -> None:
    f = federation(
        compute=(1, 2, 3, 1),
        versions=60,
        retry_seconds=2.0,
        fault=at(4, {1, 2, 3, 4}, lambda m, r: edited(m, r, noise)),
    )
    f.start()
    sent = [time for time, node, _ in f.grid.pushed if node == 4][:5]
    assert np.diff(sent).tolist() == [1 + 2, 1 + 4, 1 + 8, 1 + 16]


# ---------------------------------------------------------------------- another layout


class Odd(ToyLearner):
    """Node 4 (number 3) has another base model."""

    def __init__(self, number: int, *args: Any, **keywords: Any) -> None:
        super().__init__(number, *args, **keywords)
        if number == 3:
            self.layout = "another-layout"


@pytest.mark.parametrize("compute", [(1, 2, 3, 10), (2, 3, 4, 1)])
def test_a_minority_of_another_layout_is_refused_and_the_majority_goes_on(federation: Any, compute: Any) -> None:
    f = federation(compute=compute, versions=12, learner=Odd)
    f.start()
    assert f.counts()["wrong-layout"] >= 1
    assert all(line["node"] == "4" for line in f.lines("wrong-layout"))
    assert all("toy-3" not in line["sites"] for line in f.made())
    assert {line["layout"] for line in f.made()} == {Vault().layout("toy-layout-16", 2)}
    f.check_accounts()
    f.check_agreement([1, 2, 3])


def test_a_node_refused_by_version_1_is_asked_again_once_it_is_put_right(federation: Any) -> None:
    class Repaired(ToyLearner):
        fixed = False

        def __init__(self, number: int, *args: Any, **keywords: Any) -> None:
            super().__init__(number, *args, **keywords)
            if number == 3 and not Repaired.fixed:
                self.layout = "another-layout"

    def repair(who: int, message: Message, reply: Message) -> Outcome:
        Repaired.fixed = Repaired.fixed or read_task(message.content).version >= 2
        return [(0.0, reply)]

    f = federation(compute=(2, 3, 4, 1), versions=30, learner=Repaired, fault=repair)
    f.start()
    assert any("toy-3" in line["sites"] for line in f.made())


# ---------------------------------------------------------------------- late


def test_an_update_staler_than_allowed_is_late(federation: Any) -> None:
    f = federation(compute=(1, 1, 1, 10), versions=30, max_staleness=4)
    f.start()
    late = [line for line in f.lines("late") if "complete" not in line["reason"]]
    assert late and all(line["node"] == "4" for line in late)
    assert "at most 4 are allowed" in late[0]["reason"]
    f.check_accounts()
    f.check_agreement()


def test_a_late_node_is_next_sent_only_what_it_lacks(federation: Any) -> None:
    slow = at(4, {4}, lambda m, r: [(10.0, r)])
    f = federation(compute=(1, 1, 1, 1), versions=20, max_staleness=4, fault=slow)
    f.start()
    assert f.counts()["late"] >= 1
    assert f.counts()["behind"] == 0


def test_an_update_of_a_scale_epoch_too_coarse_for_w_is_late(federation: Any) -> None:
    """W = 16 and a buffer of 3 leave room for a factor of 2; the rate falls to an eighth while node 4 is at work."""
    steep = Schedule(versions=8, local_steps=5, peak=0.05, kind="linear", warmup=0.0, floor=0.0)
    f = federation(
        compute=(1, 1, 1, 6.5), schedule=steep, plan=FieldPlan(8, 4, 2), max_staleness=100, learner=ToyLearner
    )
    f.start()
    # node 4 trained from version 0; it is back at 6.5 when version 6 (epoch 2) is the newest
    line = f.lines("late")[0]
    assert (line["node"], line["version"]) == ("4", 0)
    assert "4 times coarser" in line["reason"] and "at most 2 fits W" in line["reason"]
    f.check_accounts()


# ---------------------------------------------------------------------- catching up


def test_a_late_joiner_catches_up_with_sums(federation: Any) -> None:
    """V = 4: at version 17 a newcomer gets one sum for every four versions of a scale epoch, not 17 records."""
    constant = Schedule(versions=30, local_steps=5, peak=0.05, kind="constant")
    f = federation(compute=(1, 1, 1, 1), schedule=constant, joins={4: 17.5}, snapshot_every=0)
    f.start()
    (first, *_) = [line for line in f.lines("dispatched") if line["node"] == "4"]
    version = first["version"]
    assert version == 17
    # 16 values in two parts, 8 + 7 (+ 2) bits a field: four sums of four versions, then version 17 alone
    assert first["bytes"] == 4 * 2 * 17 + 2 * 15
    assert f.counts()["behind"] == 0
    assert any("toy-3" in line["sites"] for line in f.made())
    f.check_accounts()
    f.check_agreement()


def test_a_late_joiner_starts_over_from_a_confirmed_snapshot(federation: Any) -> None:
    f = federation(
        compute=(1, 1, 1, 1), versions=40, joins={4: 30.5}, snapshot_every=5, plan=FieldPlan(8, 7, 0), max_staleness=20
    )
    got: list[int] = []

    def watch(who: int, message: Message, reply: Message) -> Outcome:
        task = read_task(message.content)
        if task.snapshot is not None:
            got.append(who)
            assert task.from_version == task.snapshot[0].version
            assert len(task.records) < 15
        return [(0.0, reply)]

    f.fault = watch
    f.start()
    assert f.counts()["snapshot"] >= 3
    assert got == [4]
    assert f.counts()["behind"] == 0
    f.check_accounts()
    f.check_agreement()


def test_a_node_that_lost_its_state_says_so_and_gets_everything_again(federation: Any, tmp_path: Any) -> None:
    def lose(message: Message, reply: Message) -> Outcome:
        shutil.rmtree(tmp_path / "nodes" / "memory" / "3")
        return [(0.0, reply)]

    f = federation(compute=(1, 1, 1, 1), versions=12, fault=at(4, {4}, lose))
    f.start()
    (behind,) = f.lines("behind")
    assert behind["node"] == "4" and "this node is at 0" in behind["reason"]
    f.check_accounts()
    f.check_agreement()


def test_a_node_that_lost_its_state_may_get_a_snapshot(federation: Any, tmp_path: Any) -> None:
    def lose(message: Message, reply: Message) -> Outcome:
        shutil.rmtree(tmp_path / "nodes" / "memory" / "3")
        return [(0.0, reply)]

    f = federation(
        compute=(1, 1, 1, 1), versions=40, snapshot_every=5, plan=FieldPlan(8, 7, 0), fault=at(4, {20}, lose)
    )
    f.start()
    assert f.counts()["behind"] == 1 and f.counts()["snapshot-dropped"] == 0
    f.check_accounts()
    f.check_agreement()


def test_a_node_that_fell_back_to_an_older_state_says_where_it_is(federation: Any, tmp_path: Any) -> None:
    """A machine restored from a backup."""
    folder, backup = tmp_path / "nodes" / "memory" / "3", tmp_path / "backup"
    times = 0

    def act(who: int, message: Message, reply: Message) -> Outcome:
        nonlocal times
        if who == 4:
            times += 1
            if times == 3:
                shutil.copytree(folder, backup)
            if times == 6:
                shutil.rmtree(folder)
                shutil.copytree(backup, folder)
        return [(0.0, reply)]

    f = federation(compute=(1, 1, 1, 1), versions=12, fault=act)
    f.start()
    (behind,) = f.lines("behind")
    assert "this node is at 0" not in behind["reason"]
    f.check_accounts()
    f.check_agreement()


def spoil(folder: Any, layout: str = TOY) -> None:
    """One integer of a node's copy changes on its disk."""
    store = StateFolder(folder, durable=False)
    state = store.load(layout)
    for values in state.copy.values.values():
        values[0] += 1
    store.save(state)


def test_a_node_whose_copy_differs_from_what_others_reported_starts_over(federation: Any, tmp_path: Any) -> None:
    """One task at a time: at version 3 node 4 comes third, when two others have reported the state's hash."""

    def act(message: Message, reply: Message) -> Outcome:
        spoil(tmp_path / "nodes" / "memory" / "3")
        return [(0.0, reply)]

    f = federation(compute=(1, 1, 1, 1), versions=6, concurrency=1, fault=at(4, {2}, act))
    f.start()
    (behind,) = f.lines("behind")
    assert behind["node"] == "4" and "differs from the other nodes" in behind["reason"]
    assert not f.lines("disagreement")
    f.check_accounts()
    f.check_agreement()


def test_a_node_ahead_of_what_the_server_knew_is_believed(federation: Any) -> None:
    """Node 4's reply from version 2 is unreadable: the server thinks it is at 1, it is at 2."""
    f = federation(compute=(1, 1, 60, 1), versions=4, buffer_size=4, fault=at(4, {3}, lambda m, r: edited(m, r, noise)))
    f.start()
    (behind,) = f.lines("behind")
    assert "this node is at 2" in behind["reason"]
    sent = [line for line in f.lines("dispatched") if line["node"] == "4" and line["task"] > behind["task"]]
    assert (sent[0]["version"], sent[0]["bytes"]) == (2, 0)


def test_a_node_whose_report_differs_starts_over(federation: Any, tmp_path: Any) -> None:
    def act(message: Message, reply: Message) -> Outcome:
        spoil(tmp_path / "nodes" / "memory" / "3")
        return [(0.0, reply)]

    f = federation(compute=(1, 2, 3, 10), versions=20, fault=at(4, {2}, act))
    f.start()
    assert f.lines("disagreement")
    f.check_accounts()
    f.check_agreement()


def test_a_state_hash_unlike_the_others_is_in_the_ledger(federation: Any) -> None:
    f = federation(
        compute=(1, 1, 1, 1.5), versions=10, fault=at(4, {2}, lambda m, r: resigned(m, r, 3, state_hash="00" * 32))
    )
    f.start()
    (line,) = f.lines("disagreement")
    assert line["node"] == "4"
    f.check_accounts()


def test_a_node_that_is_always_behind_does_not_stop_the_others(federation: Any) -> None:
    def behind(who: int, message: Message, reply: Message) -> Outcome:
        if who != 4:
            return [(0.0, reply)]
        task = read_task(message.content)
        failure = Failure(task.lineage, task.task, "behind", "always", 0)
        return [(0.0, Message(content=write_reply(failure), reply_to=message))]

    f = federation(compute=(1, 1, 1, 1), versions=12, fault=behind)
    f.start()
    assert f.strategy.state.version == 12
    f.check_accounts()
    f.check_agreement([1, 2, 3])


def test_a_node_that_is_behind_again_and_again_is_asked_less_and_less(federation: Any) -> None:
    def behind(who: int, message: Message, reply: Message) -> Outcome:
        if who != 4:
            return [(0.0, reply)]
        task = read_task(message.content)
        failure = Failure(task.lineage, task.task, "behind", "always", 0)
        return [(0.0, Message(content=write_reply(failure), reply_to=message))]

    f = federation(compute=(1, 1, 1, 0.05), versions=6, fault=behind)
    f.start()
    assert f.counts()["behind"] < 30


def test_a_node_that_claims_to_be_late_for_its_evaluation_does_not_hold_up_the_end(federation: Any) -> None:
    claims = 0

    def late(who: int, message: Message, reply: Message) -> Outcome:
        nonlocal claims
        if who != 4 or message.metadata.message_type != "evaluate":
            return [(0.0, reply)]
        claims += 1
        assert claims < 20, "asked for ever"
        task = read_task(message.content)
        content = write_reply(Failure(task.lineage, task.task, "late", "so it says", 0))
        return [(0.0, Message(content=content, reply_to=message))]

    f = federation(compute=(1, 1, 1, 1), versions=2, fault=late)
    f.start()


# ---------------------------------------------------------------------- error feedback


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_accounts_residuals_and_copies_hold(federation: Any, seed: int) -> None:
    """Lost, repeated, malformed, erroneous and slow replies at random; newcomers; coarse rounding."""
    rng = random.Random(seed)

    def chaos(who: int, message: Message, reply: Message) -> Outcome:
        roll = rng.random()
        if roll < 0.06:
            return []
        if roll < 0.12:
            return [(0.0, reply), (rng.random(), reply)]
        if roll < 0.18:
            return edited(message, reply, noise)
        if roll < 0.24:
            return [(0.0, Message(Error(code=3, reason="odd"), reply_to=message))]
        return [(rng.random() * 8, reply)]

    f = federation(
        compute=(1, 2, 3, 4, 9, 20),
        versions=25,
        plan=FieldPlan(3, 6, 2),
        fault=chaos,
        task_timeout=45.0,
        retry_seconds=1.0,
        max_staleness=6,
        max_wait=30.0,
        joins={6: 31.0},
    )
    f.start()
    assert f.strategy.state.version == 25
    assert f.counts()["failed"] and f.counts()["malformed"] and f.counts()["duplicate"]
    f.check_accounts()
    last = {line["node"]: line["version"] for line in f.lines("measured")}
    reached = [node for node in f.nodes if last.get(str(node)) == 25]
    assert len(reached) >= 3  # who failed its last task three times is given up
    f.check_agreement(reached)
    f.check_residuals(reached)


def test_a_refused_updates_residual_is_rolled_back_and_an_accepted_ones_kept(federation: Any) -> None:
    times = 0

    def fault(who: int, message: Message, reply: Message) -> Outcome:
        nonlocal times
        if who == 2 and message.metadata.message_type == "train":
            times += 1
            if times in (2, 3, 5):
                return edited(message, reply, flip)
        return [(0.0, reply)]

    f = federation(compute=(5, 1, 6), versions=6, plan=FieldPlan(3, 7, 2), fault=fault)
    f.start()
    assert f.counts()["malformed"] == 3
    f.check_accounts()
    f.check_agreement()
    f.check_residuals()
