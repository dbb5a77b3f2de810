"""A node's exact copy: however its records are grouped, the same bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_app.state.accumulators import Accumulators, from_snapshot, take_snapshot
from client_app.update.payloads import Payloads, Vault
from crossward.config.schedule import Schedule
from crossward.encryption.packing import pack
from crossward.encryption.plan import FieldPlan, PlanError
from crossward.protocol.messages import RecordHead, SnapshotHead
from crossward.protocol.parts import Part, PartHead, Payload, ProtocolError, join

SIZES = (3, 2)
SCHEDULE = Schedule(versions=50, server_rate=0.3)
INITIAL = np.linspace(-1, 1, 5, dtype=np.float32)


def close_values(values: np.ndarray, sizes: tuple[int, ...], plan: FieldPlan) -> Payload:
    return Payloads(sizes, plan, Vault()).seal(values)


def open_values(payload: Payload, weight_sum: int, sizes: tuple[int, ...], plan: FieldPlan) -> np.ndarray:
    head = RecordHead(1, 1, 0, weight_sum, 1)
    return np.concatenate([v for _, v in Payloads(sizes, plan, Vault()).open(payload, head)])


def add(a: Accumulators, head: RecordHead, payload: Payload, sizes: tuple[int, ...], plan: FieldPlan) -> None:
    opened = Payloads(sizes, plan, Vault()).open(payload, head)
    a.add(head, opened, sum(sizes), plan, 50)


def taken(state: Accumulators, plan: FieldPlan, versions: int) -> tuple[SnapshotHead, tuple[Payload, ...]]:
    return take_snapshot(state, Payloads(SIZES, plan, Vault()), versions, "line", "layout")


def back_from(
    head: SnapshotHead, payloads: tuple[Payload, ...], sizes: tuple[int, ...], plan: FieldPlan, versions: int
) -> Accumulators:
    return from_snapshot(head, payloads, Payloads(sizes, plan, Vault()), versions, "line", "layout")


def record(
    values: np.ndarray, first: int, last: int, epoch: int, weight_sum: int, sign: int, plan: FieldPlan
) -> tuple[RecordHead, Payload]:
    bits, parts, start = plan.sum_bits(last - first + 1), [], 0
    for size in SIZES:
        data = pack(values[start : start + size] + plan.offset * weight_sum, bits)
        parts.append(Part(PartHead("clear", size, bits, len(data)), data))
        start += size
    return RecordHead(first, last, epoch, weight_sum, sign), join(parts)


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.data())
def test_how_records_are_grouped_does_not_show(data: st.DataObject) -> None:
    plan = FieldPlan(8, 6, 3)
    count = data.draw(st.integers(1, 20))
    kinds = data.draw(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1, -1])), min_size=count, max_size=count))
    rng = np.random.default_rng(count)
    weights = rng.integers(3, 65, count).tolist()
    values = [rng.integers(-127 * w, 127 * w + 1, 5) for w in weights]
    single, grouped = Accumulators(), Accumulators()
    expected: dict[int, np.ndarray] = {}
    for i, ((epoch, sign), w, v) in enumerate(zip(kinds, weights, values, strict=True), start=1):
        add(single, *record(v, i, i, epoch, w, sign, plan), SIZES, plan)
        expected[epoch] = expected.get(epoch, np.zeros(5, np.int64)) + sign * v
    first = 1
    while first <= count:
        last = first
        while last < count and kinds[last] == kinds[first - 1] and last - first + 1 < 8 and data.draw(st.booleans()):
            last += 1
        span = slice(first - 1, last)
        epoch, sign = kinds[first - 1]
        total = record(sum(values[span]), first, last, epoch, sum(weights[span]), sign, plan)
        add(grouped, *total, SIZES, plan)
        first = last + 1
    assert {e: v.tolist() for e, v in single.values.items()} == {e: v.tolist() for e, v in expected.items()}
    assert single.hash("l", b"k") == grouped.hash("l", b"k")
    assert single.vector(INITIAL, plan, SCHEDULE).tobytes() == grouped.vector(INITIAL, plan, SCHEDULE).tobytes()


def test_the_vector_by_hand() -> None:
    plan = FieldPlan(8, 6, 0)
    a = Accumulators(2, {0: np.array([64, 0, 0, 0, 0]), 1: np.array([0, -640, 64, 0, 0])})
    unit = SCHEDULE.value_range(0) / 127
    expected = INITIAL + np.array([0.3 * unit, -0.3 * unit * 5, 0.3 * unit / 2, 0, 0])
    assert a.vector(INITIAL, plan, SCHEDULE) == pytest.approx(expected, rel=1e-6)
    assert a.vector(INITIAL, plan, SCHEDULE).dtype == np.float32


def test_the_hash_depends_on_lineage_key_version_epoch_and_every_integer_but_not_on_empty_epochs() -> None:
    a = Accumulators(2, {0: np.arange(5)})
    base = a.hash("l", b"k")
    assert base == Accumulators(2, {0: np.arange(5), 3: np.zeros(5, np.int64)}).hash("l", b"k")
    others = [
        a.hash("m", b"k"),
        a.hash("l", b"j"),
        Accumulators(3, {0: np.arange(5)}).hash("l", b"k"),
        Accumulators(2, {1: np.arange(5)}).hash("l", b"k"),
        Accumulators(2, {0: np.arange(5) + np.eye(5, dtype=np.int64)[4]}).hash("l", b"k"),
        Accumulators(2, {0: np.arange(5), 1: np.arange(5)}).hash("l", b"k"),
        Accumulators(2, {}).hash("l", b"k"),
    ]
    assert len({base, *others}) == 8


@settings(deadline=None, derandomize=True)
@given(st.data(), st.integers(1, 1000))
def test_a_snapshot_is_lossless_whatever_the_signs(data: st.DataObject, versions: int) -> None:
    plan = FieldPlan(8, 6, 6)
    top = plan.q_max * plan.total_weight * versions
    epochs = data.draw(st.lists(st.integers(0, 6), unique=True, max_size=3))
    number = st.integers(-top, top)
    state = Accumulators(
        versions, {e: np.array(data.draw(st.lists(number, min_size=5, max_size=5)), dtype=np.int64) for e in epochs}
    )
    head, payloads = taken(state, plan, versions)
    assert head == SnapshotHead(versions, tuple(sorted(epochs)))
    back = back_from(head, payloads, SIZES, plan, versions)
    assert back.version == state.version
    assert {e: v.tolist() for e, v in back.values.items()} == {e: v.tolist() for e, v in state.values.items()}
    assert back.hash("l", b"k") == state.hash("l", b"k")


@pytest.mark.parametrize("change", ["sizes", "bits", "kind", "missing"])
def test_a_snapshot_of_another_layout_is_refused(change: str) -> None:
    plan = FieldPlan(8, 6, 6)
    head, (payload,) = taken(Accumulators(3, {0: np.arange(5)}), plan, 9)
    versions, sizes = 9, SIZES
    match change:
        case "sizes":
            sizes = (3, 3)
        case "bits":
            versions = 100
        case "kind":
            payload = Payload(tuple(h._replace(kind="x") for h in payload.heads), payload.data)
        case "missing":
            payload = Payload((), b"")
    with pytest.raises(ProtocolError, match="snapshot of version 3 cannot be used: it does not follow the layout"):
        back_from(head, (payload,), sizes, plan, versions)


def test_every_plan_and_run_length_that_is_let_in_has_snapshots() -> None:
    with pytest.raises(PlanError, match="44 bits together"):
        FieldPlan(24, 20, 16)
    plan = FieldPlan(24, 16, 16)
    state = Accumulators(3, {0: np.arange(5)})
    head, payloads = taken(state, plan, 1_000_000)
    assert plan.snapshot_bits(1_000_000) <= 62
    assert back_from(head, payloads, SIZES, plan, 1_000_000).values[0].tolist() == list(range(5))


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (RecordHead(2, 2, 0, 10, 1), "2..2 does not follow version 0"),
        (RecordHead(1, 0, 0, 10, 1), "1..0 does not follow"),
        (RecordHead(1, 1, 0, 10, 0), "sign 0"),
        (RecordHead(1, 1, 0, 10, 2), "sign 2"),
        (RecordHead(1, 1, 0, 0, 1), "weights 0"),
        (RecordHead(1, 1, 0, -5, 1), "weights -5"),
        (RecordHead(1, 1, 0, 65, 1), "weights 65"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_and_changes_nothing(head: RecordHead, text: str) -> None:
    plan = FieldPlan(8, 6, 6)
    payload = record(np.zeros(5, np.int64), 1, 1, 0, 10, 1, plan)[1]
    a = Accumulators()
    with pytest.raises(ProtocolError, match=text):
        add(a, head, payload, SIZES, plan)
    assert (a.version, a.values) == (0, {})


@pytest.mark.parametrize("sizes", [(2, 3), (5,), (3, 2, 1), (3,)])
def test_a_record_of_another_layout_is_refused(sizes: tuple[int, ...]) -> None:
    plan = FieldPlan(8, 6, 6)
    a = Accumulators()
    with pytest.raises(ProtocolError, match=r"does not follow the . of the layout"):
        add(a, *record(np.zeros(5, np.int64), 1, 1, 0, 10, 1, plan), sizes, plan)
    assert a.version == 0


def test_an_update_closes_block_by_block_and_opens_again() -> None:
    plan = FieldPlan(5, 6, 6)
    values = np.array([-15, 15, 0, 7, -8])
    payload = close_values(values, SIZES, plan)
    assert [(h.length, h.bits, h.size) for h in payload.heads] == [(3, 5, 2), (2, 5, 2)]
    assert open_values(payload, 1, SIZES, plan).tolist() == values.tolist()


def reverting(a: Accumulators, reverts: int, sign: int) -> None:
    plan, number = FieldPlan(8, 6, 6), a.version + 1
    head, payload = record(np.arange(5), number, number, 0, 10, sign, plan)
    add(a, head._replace(reverts=reverts), payload, SIZES, plan)


def test_a_version_is_taken_back_once_and_put_back_once() -> None:
    plan, a = FieldPlan(8, 6, 6), Accumulators()
    for number in (1, 2):
        add(a, *record(np.arange(5), number, number, 0, 10, 1, plan), SIZES, plan)
    with pytest.raises(ProtocolError, match="puts back version 1, which is still in the sum"):
        reverting(a, 1, 1)
    reverting(a, 1, -1)
    with pytest.raises(ProtocolError, match="takes back version 1, which is no longer in the sum"):
        reverting(a, 1, -1)
    reverting(a, 1, 1)
    reverting(a, 1, -1)
    for impossible in (6, 7):
        with pytest.raises(ProtocolError, match=f"version {impossible}"):
            reverting(a, impossible, -1)
    assert a.version == 5 and a.values[0].tolist() == np.arange(5).tolist()


def test_a_discarded_version_is_not_taken_back() -> None:
    a = Accumulators()
    a.skip(RecordHead(1, 1, 0, 0, 1))
    with pytest.raises(ProtocolError, match="takes back version 1, which is no longer in the sum"):
        reverting(a, 1, -1)


@pytest.mark.parametrize("first", [-1, 1])
def test_what_a_snapshot_does_not_say_of_a_version_is_learned_once(first: int) -> None:
    """A newcomer cannot know whether version 1 was taken back before its snapshot was made."""
    plan = FieldPlan(8, 6, 6)
    before = Accumulators(2, {0: np.arange(5)})
    a = back_from(*taken(before, plan, 50), SIZES, plan, 50)
    assert a.since == 2
    reverting(a, 1, first)
    with pytest.raises(ProtocolError, match="version 1, which is"):
        reverting(a, 1, first)
    reverting(a, 1, -first)
    add(a, *record(np.arange(5), 5, 5, 0, 10, 1, plan), SIZES, plan)
    with pytest.raises(ProtocolError, match="puts back version 5, which is still in the sum"):
        reverting(a, 5, 1)  # of what came later it knows all
