"""What a node does with a task: catch up, settle, train, round, sign; in that order, and nothing by half."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate

from client_app.node import Node
from client_app.personal.result import Personal
from client_app.state.accumulators import Accumulators, take_snapshot
from client_app.state.folder import NodeState
from client_app.update.payloads import Payloads, Vault
from client_app.update.reporting import Reporting
from client_app.update.sealer import UpdateSealer
from crossward.config.personal_settings import PersonalSettings
from crossward.config.schedule import Schedule
from crossward.encryption.aggregator import clear_arithmetic
from crossward.encryption.packing import pack
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import Evaluation, Failure, Head, RecordHead, Task, Update
from crossward.protocol.parts import Part, PartHead, Payload, ProtocolError, join
from crossward.simulation.toy import ToyLearner, toy_identity
from strategies.exchange.admission import Expected, examine

PLAN = FieldPlan(8, 6, 6)
SCHEDULE = Schedule(versions=10, local_steps=5, peak=0.05)
TASK = Task("line", 1, 0, 0, 0, 10, (8, 6, 6), Head(3, "abc"))


def record(version: int, values: Any, weight_sum: int = 60) -> tuple[RecordHead, Payload]:
    bits, values = PLAN.sum_bits(1), np.asarray(values) + PLAN.offset * weight_sum
    parts = [pack(values[:8], bits), pack(values[8:], bits)]
    return (
        RecordHead(version, version, 0, weight_sum, 1),
        join(Part(PartHead("clear", 8, bits, len(data)), data) for data in parts),
    )


RECORDS = (record(1, np.arange(16)), record(2, -np.arange(16)), record(3, np.full(16, 7)))


def task(number: int, held: int, version: int, **changes: Any) -> Task:
    return replace(TASK, task=number, from_version=held, version=version, records=RECORDS[held:version], **changes)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(ToyLearner(0, SCHEDULE), tmp_path / "node", toy_identity(1), SCHEDULE, 0, lambda: 0.0, durable=False)


def kept(node: Node) -> NodeState:
    return node.store.load(node.layout)


def open_values(payload: Payload, weight_sum: int, sizes: tuple[int, ...], plan: FieldPlan) -> np.ndarray:
    head = RecordHead(1, 1, 0, weight_sum, 1)
    return np.concatenate([v for _, v in Payloads(sizes, plan, Vault()).open(payload, head)])


def test_an_update_is_signed_and_would_be_admitted(node: Node) -> None:
    update = node.train(task(1, 0, 2))
    assert isinstance(update, Update)
    expected = Expected("line", 1, 2, 0, "", node.layout, (("clear", 8), ("clear", 8)), b"", clear_arithmetic())
    assert examine(update, expected, PLAN, 0, 10, 1, 4) is None
    assert (update.num_examples, update.num_tokens, update.steps) == (16, 50, 5)
    assert update.head == Head(3, "abc") and update.site == "toy-0"
    assert update.state_hash == kept(node).copy.hash("line", f"line:{node.layout}".encode())


def test_the_update_is_the_rounded_delta_and_the_rest_is_pending(node: Node) -> None:
    update = node.train(task(1, 0, 2))
    assert isinstance(update, Update)
    start = Accumulators(2, {0: np.zeros(16, np.int64)}).vector(node.learner.initial(), PLAN, SCHEDULE)
    trained = node.learner.train(start, 2, 0).vector
    unit = SCHEDULE.value_range(0) / PLAN.q_max
    state = kept(node)
    assert state.pending_task == 1 and state.residual is None and state.pending is not None
    sent = open_values(update.payload, 1, (8, 8), PLAN) * unit
    assert np.allclose(sent + state.pending, trained - start, atol=1e-7)


def test_the_same_task_gives_the_same_update_even_after_a_restart(node: Node, tmp_path: Path) -> None:
    first = node.train(task(1, 0, 1))
    other = Node(node.learner, tmp_path / "other", node.identity, SCHEDULE, 0, lambda: 0.0, durable=False)
    assert other.train(task(1, 0, 1)) == first
    seeded = Node(node.learner, tmp_path / "third", node.identity, SCHEDULE, 1, lambda: 0.0, durable=False)
    assert seeded.train(task(1, 0, 1)) != first


def test_a_residual_is_committed_only_by_its_own_task(node: Node) -> None:
    node.train(task(1, 0, 0))
    pending = kept(node).pending
    node.train(task(2, 0, 1, accepted=(1,)))
    after = kept(node)
    assert np.array_equal(after.residual, pending) and after.pending_task == 2
    node.train(task(3, 1, 2, accepted=(1,)))  # 2 was lost
    assert np.array_equal(kept(node).residual, pending) and kept(node).pending_task == 3
    node.evaluate(task(4, 2, 3, accepted=(1, 3), last=True))
    assert kept(node).pending_task == -1
    assert not np.array_equal(kept(node).residual, pending)


def test_an_evaluation_does_not_settle_what_may_still_be_refused(node: Node) -> None:
    """An accepted update that waits for its version can become late, or of an old key, after all."""
    node.train(task(1, 0, 0))
    node.evaluate(task(2, 0, 1, accepted=(1,)))
    assert kept(node).pending_task == 1 and kept(node).residual is None
    node.train(task(3, 1, 1, accepted=()))
    assert kept(node).pending_task == 3 and kept(node).residual is None


def test_a_node_goes_on_from_where_it_is(node: Node) -> None:
    node.train(task(1, 0, 1))
    got = node.train(task(2, 1, 3))
    assert isinstance(got, Update) and got.version == 3
    assert kept(node).copy.version == 3
    assert kept(node).copy.values[0].tolist() == [7] * 16


@pytest.mark.parametrize("kind", ["train", "evaluate", "alone"])
def test_records_that_do_not_follow_leave_the_state_alone(node: Node, kind: str) -> None:
    node.train(task(1, 0, 1))
    before = kept(node)
    got = getattr(node, kind)(task(2, 2, 3, accepted=(1,)))
    assert got == Failure("line", 2, "behind", "the records begin after version 2, this node is at 1", 1)
    after = kept(node)
    assert after.pending_task == before.pending_task == 1 and after.copy.version == 1
    assert np.array_equal(after.pending, before.pending)


def test_records_that_end_too_early_are_behind(node: Node) -> None:
    got = node.train(replace(task(1, 0, 3), records=RECORDS[:2]))
    assert isinstance(got, Failure) and "the records end at version 2, the task is for 3" in got.reason


def test_records_from_the_beginning_are_always_welcome(node: Node) -> None:
    node.train(task(1, 0, 3))
    got = node.train(task(2, 0, 2))
    assert isinstance(got, Update) and kept(node).copy.version == 2


def test_a_snapshot_replaces_the_copy_and_keeps_the_residual(node: Node) -> None:
    node.train(task(1, 0, 0))
    pending = kept(node).pending
    copy = Accumulators(2, {0: np.arange(16), 1: -np.arange(16)})
    snapshot = take_snapshot(copy, Payloads((8, 8), PLAN, Vault()), 10, "line", node.layout)
    got = node.train(replace(task(2, 2, 3), snapshot=snapshot, accepted=(1,)))
    assert isinstance(got, Update)
    state = kept(node)
    assert state.copy.version == 3
    assert {e: v.tolist() for e, v in state.copy.values.items()} == {
        0: [7 + i for i in range(16)],
        1: [-i for i in range(16)],
    }
    assert np.array_equal(state.residual, pending)


def test_a_snapshot_of_another_version_than_named_is_behind(node: Node) -> None:
    snapshot = take_snapshot(
        Accumulators(1, {0: np.arange(16)}), Payloads((8, 8), PLAN, Vault()), 10, "line", node.layout
    )
    got = node.train(replace(task(2, 2, 3), snapshot=snapshot))
    assert isinstance(got, Failure) and got.kind == "behind"


def test_a_wanted_snapshot_is_the_copy_trained_from(node: Node) -> None:
    got = node.train(task(1, 0, 2, want_snapshot=True))
    assert isinstance(got, Update) and got.snapshot is not None
    assert got.snapshot[0].version == 2
    assert node.train(task(2, 2, 3)).snapshot is None  # type: ignore[union-attr]


def test_another_state_hash_than_the_others_means_starting_over(node: Node) -> None:
    node.train(task(1, 0, 1))
    right = node.train(task(2, 1, 2)).state_hash  # type: ignore[union-attr]
    assert isinstance(node.train(task(3, 2, 2, state_hash=right)), Update)
    got = node.train(task(4, 2, 3, state_hash="00"))
    assert isinstance(got, Failure) and (got.kind, got.held) == ("behind", 0)
    assert "differs from the other nodes" in got.reason
    assert kept(node).copy.version == 0


def test_records_of_another_layout_are_an_error_and_change_nothing(node: Node) -> None:
    node.train(task(1, 0, 1))
    head, payload = RECORDS[1]
    whole = Payload((payload.heads[0]._replace(length=16, size=len(payload.data)),), payload.data)
    with pytest.raises(ProtocolError):
        node.train(replace(task(2, 1, 2), records=((head, whole),)))
    assert kept(node).copy.version == 1 and kept(node).pending_task == 1


def test_an_evaluation_measures_base_global_and_the_adapter_trained_alone(node: Node) -> None:
    got = node.evaluate(task(1, 0, 3))
    assert isinstance(got, Evaluation) and set(got.measures) == {"global"}
    got = node.evaluate(task(1, 3, 3, last=True))
    assert isinstance(got, Evaluation) and set(got.measures) == {"base", "global"}
    got = node.alone(task(2, 3, 3, steps=4, last=True))
    assert isinstance(got, Evaluation) and set(got.measures) == {"base", "global", "own"}
    assert got.measures["own"].loss == 0.0  # the toy alone finds its own target
    assert np.array_equal(np.load(node.own.path), node.learner.target)  # type: ignore[attr-defined]
    assert sorted(p.name for p in node.folder.glob("own*")) == ["own.npy"]


def test_a_personal_adapter_is_made_of_the_global_one_kept_and_measured(node: Node) -> None:
    node = replace(node, personal=PersonalSettings())
    got = node.alone(task(1, 0, 3, steps=4, last=True))
    assert isinstance(got, Evaluation) and set(got.measures) == {"base", "global", "own", "personal"}
    assert 0.0 < got.measures["personal"].loss < got.measures["global"].loss
    made = np.load(node.folder / "personal.npy")
    start = kept(node).copy.vector(node.learner.initial(), PLAN, SCHEDULE)
    assert np.array_equal(made, 0.5 * (start + node.learner.target)) and made.any()  # type: ignore[attr-defined]
    again = node.evaluate(task(2, 3, 3, last=True))
    assert isinstance(again, Evaluation) and again.measures == got.measures


def test_a_hospital_that_wants_no_personal_adapter_has_none_of_an_earlier_end_either(node: Node) -> None:
    replace(node, personal=PersonalSettings()).alone(task(1, 0, 3, steps=4, last=True))
    got = replace(node, personal=PersonalSettings(method="none")).alone(task(2, 3, 3, steps=4, last=True))
    assert isinstance(got, Evaluation) and set(got.measures) == {"base", "global", "own"}


def test_the_personal_adapter_takes_as_many_steps_as_the_run_unless_told(node: Node) -> None:
    taken = []

    def personal(start: Any, alone: Any, steps: int, seed: int) -> Personal:
        assert np.array_equal(alone, node.learner.target)  # type: ignore[attr-defined]
        taken.append(steps)
        return Personal(start, "test", steps)

    node.learner.personal = personal  # type: ignore[attr-defined]
    for settings, steps in ((PersonalSettings(), 4), (PersonalSettings(), 0), (PersonalSettings(steps=7), 4)):
        replace(node, personal=settings).alone(task(1, 0, 0, steps=steps, last=True))
    assert taken == [4, 50, 7]


def test_a_damaged_adapter_of_ones_own_costs_only_its_own_measure(node: Node, caplog: Any) -> None:
    node.evaluate(task(1, 0, 3))
    node.alone(task(2, 3, 3, steps=4, last=True))
    sound = node.own.path.read_bytes()
    for damaged in (b"", sound[:-3], sound.replace(b"<f4", b"<f8"), sound.replace(b"{'", b"({"), sound[::-1]):
        node.own.path.write_bytes(damaged)
        caplog.clear()
        got = node.evaluate(task(3, 3, 3, last=True))
        assert isinstance(got, Evaluation) and set(got.measures) == {"base", "global"}
        assert "trained alone, cannot be read" in caplog.text


def test_heads_are_kept_for_the_audit(node: Node) -> None:
    node.train(task(1, 0, 1))
    node.evaluate(task(2, 1, 2, accepted=(1,)))
    assert (node.folder / "heads.jsonl").read_text().count('"hash": "abc"') == 2


def test_another_layout_starts_afresh_in_the_same_folder(node: Node) -> None:
    node.train(task(1, 0, 2))
    node.learner.layout = "another"
    node = replace(node)
    got = node.train(task(2, 2, 3))
    assert isinstance(got, Failure) and (got.kind, got.held) == ("behind", 0)


def test_without_feedback_what_rounding_cuts_off_is_dropped(node: Node, tmp_path: Path) -> None:
    blunt = replace(node, folder=tmp_path / "two", sealer=UpdateSealer(feedback=False))
    first, plain = blunt.train(task(1, 0, 0)), node.train(task(1, 0, 0))
    assert isinstance(first, Update) and isinstance(plain, Update) and first.payload == plain.payload
    assert kept(blunt).pending is None and kept(node).pending is not None
    assert isinstance(blunt.train(task(2, 0, 1, accepted=(1,))), Update)
    assert kept(blunt).residual is None and kept(blunt).pending is None and kept(blunt).pending_task == 2


def test_the_size_of_the_training_set_is_told_only_where_weights_are_made_of_it(node: Node) -> None:
    silent = replace(node, folder=node.folder / "silent", reporting=Reporting(counts=False))
    reported, unreported = node.train(task(1, 0, 0)), silent.train(task(1, 0, 0))
    assert isinstance(reported, Update) and isinstance(unreported, Update)
    assert (reported.num_examples, unreported.num_examples) == (16, 1) and reported.payload == unreported.payload
