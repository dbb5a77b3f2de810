"""BFV parts: sums are numpy's integers up to the bound, and what is wrong does not open."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import tenseal.sealapi as seal
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.encryption.aggregator.bfv import BfvArithmetic
from crossward.encryption.bfv import Bfv
from crossward.encryption.holder.bfv import BfvSealer
from crossward.encryption.packing import CiphertextError
from crossward.encryption.plan import FRESH_BYTES, PRESETS, RING, SUM_BYTES, FieldPlan, PlanError

SEED, OTHER = bytes(range(64)), bytes(range(1, 65))
COMPACT = PRESETS["compact"]


def plans() -> list[FieldPlan]:
    """Every plan that may be sealed."""
    found = []
    for value in range(2, 25):
        for weight in range(2, 21):
            for guard in range(17):
                try:
                    plan = FieldPlan(value, weight, guard)
                    plan.check_sealable()
                except PlanError:
                    continue
                found.append(plan)
    return found


PLANS = plans()


def largest_slot(plan: FieldPlan) -> int:
    """A slot whose fields all hold the most that V versions of weight W can sum to."""
    field = plan.max_versions * plan.total_weight * (plan.q_max + plan.offset)
    return sum(field << number * plan.field_bits for number in range(plan.fields_per_slot))


@functools.cache
def plain_modulus(bits: int) -> int:
    return int(seal.PlainModulus.Batching(RING, bits).value())


def holds(plan: FieldPlan) -> bool:
    """Whether the plan's plain modulus is above its largest slot."""
    return largest_slot(plan) < plain_modulus(plan.plain_bits(plan.fields_per_slot))


HOLDING = [plan for plan in PLANS if holds(plan)]
TIGHTEST = sorted(HOLDING, key=lambda plan: plan.margin(plan.fields_per_slot))[:12]


def split(total: int, parts: int, data: st.DataObject) -> list[int]:
    """``parts`` weights of at least 1 that sum to ``total``."""
    cuts = data.draw(st.lists(st.integers(1, total - 1), min_size=parts - 1, max_size=parts - 1, unique=True))
    edges = [0, *sorted(cuts), total]
    return [after - before for before, after in itertools.pairwise(edges)]


def summed(plan: FieldPlan, rows: list[np.ndarray], weights: list[int], versions: int) -> np.ndarray:
    """What ``versions`` equal versions of ``rows`` open to, added up one by one or doubled."""
    sealer, adder, count = BfvSealer(plan, SEED), BfvArithmetic(plan), rows[0].size
    parts = [sealer.seal(row) for row in rows]
    assert all(adder.check(part, plan.update_bits, count) == "" for part in parts)
    bits = [plan.update_bits] * len(parts)
    total, added = adder.combine(parts, weights, bits, plan.sum_bits(1), count), 1
    version = total
    for bit in bin(versions)[3:]:  # Horner's rule: doubled, and one more where the bit is set
        for other, more in ((total, added), *([(version, 1)] if bit == "1" else [])):
            ins, out = [plan.sum_bits(added), plan.sum_bits(more)], plan.sum_bits(added + more)
            total, added = adder.combine([total, other], [1, 1], ins, out, count), added + more
    assert added == versions
    assert len(total) == SUM_BYTES * Bfv(plan).ciphertexts(count)
    return sealer.open(total, plan.sum_bits(versions), count, versions * sum(weights))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.data())
def test_v_versions_of_weighted_updates_open_to_numpys_integers(data: st.DataObject) -> None:
    plan = data.draw(st.sampled_from(HOLDING))
    versions = data.draw(st.sampled_from([1, plan.max_versions, max(plan.max_versions // 2 - 1, 1)]))
    weights = split(plan.total_weight, data.draw(st.integers(1, 3)), data)
    value = st.sampled_from([-plan.q_max, plan.q_max, 0]) | st.integers(-plan.q_max, plan.q_max)
    count = data.draw(st.integers(1, 7))
    rows = [np.array(data.draw(st.lists(value, min_size=count, max_size=count))) for _ in weights]
    expected = versions * sum(w * row for w, row in zip(weights, rows, strict=True))
    assert np.array_equal(summed(plan, rows, weights, versions), expected)


@pytest.mark.parametrize("plan", [*PRESETS.values(), *TIGHTEST])
@pytest.mark.parametrize("sign", [1, -1])
def test_extremes_are_exact_at_the_smallest_margins(plan: FieldPlan, sign: int) -> None:
    rows = [np.full(3 * plan.fields_per_slot + 1, sign * plan.q_max)] * 3
    share = plan.total_weight * 45 // 100
    weights = [share, share, plan.total_weight - 2 * share]
    versions = min(plan.max_versions, 64)
    got = summed(plan, rows, weights, versions)
    assert set(got.tolist()) == {sign * plan.q_max * plan.total_weight * versions}


@pytest.mark.parametrize("bits", [(16, 8, 0), (8, 7, 6), (24, 3, 0), (16, 10, 0), (8, 2, 11)])
def test_a_sum_of_largest_values_does_not_wrap_around_the_plain_modulus(bits: tuple[int, int, int]) -> None:
    plan = FieldPlan(*bits)
    got = summed(plan, [np.full(5, plan.q_max)], [plan.total_weight], plan.max_versions)
    assert got.tolist() == [plan.q_max * plan.total_weight * plan.max_versions] * 5


def test_every_plan_that_may_be_sealed_has_a_plain_modulus_above_its_largest_slot() -> None:
    assert len(HOLDING) == len(PLANS)


def test_a_plan_that_does_not_fit_raises() -> None:
    for made in (lambda p: BfvSealer(p, SEED), BfvArithmetic, Bfv):
        with pytest.raises(PlanError, match=r"needs 66\.4 bits .* has 60"):
            made(FieldPlan(20, 20, 0))


# ---------------------------------------------------------------------- what does not open


def test_another_keys_part_does_not_open() -> None:
    part = BfvSealer(COMPACT, OTHER).seal(np.arange(50))
    with pytest.raises(CiphertextError, match="made under another key"):
        BfvSealer(COMPACT, SEED).open(part, 8, 50, 1)


def test_a_sum_with_one_part_of_another_key_does_not_open() -> None:
    sealer, adder = BfvSealer(COMPACT, SEED), BfvArithmetic(COMPACT)
    parts = [sealer.seal(np.arange(50)), BfvSealer(COMPACT, OTHER).seal(np.arange(50))]
    total = adder.combine(parts, [127, 1], [8, 8], 15, 50)
    with pytest.raises(CiphertextError, match="no noise room left"):
        sealer.open(total, 15, 50, 128)


def test_too_much_noise_is_noticed_before_it_gives_wrong_values() -> None:
    """Weights far beyond W: opened as long as there is room, then refused; fields wrap but no exact value is wrong."""
    plan = FieldPlan(8, 7, 0)
    sealer, adder = BfvSealer(plan, SEED), BfvArithmetic(plan)
    part, refused = sealer.seal(np.full(4, -127)), False  # fields of 1: 4096 * 1 fits 15 bits
    for weight in (1, 64, 128, 256, 4096, 1 << 14):
        try:
            got = sealer.open(adder.combine([part], [weight], [8], 15, 4), 15, 4, weight)
        except CiphertextError:
            refused = True
            continue
        assert not refused and got.tolist() == [-127 * weight] * 4
    assert refused


@pytest.mark.parametrize("change", ["flip a coefficient", "another seed", "swap two ciphertexts' halves"])
def test_a_changed_part_does_not_open(change: str) -> None:
    sealer = BfvSealer(COMPACT, SEED)
    count = 2 * RING * 3 - 1  # two ciphertexts, of which the second has room behind its last value
    part = bytearray(sealer.seal(np.ones(count, dtype=np.int64)))
    match change:
        case "flip a coefficient":
            part[FRESH_BYTES + 7] ^= 0x0F  # the top of a coefficient: BFV is malleable, the room behind is not
        case "another seed":
            part[FRESH_BYTES - 1] ^= 1
        case _:
            part[:100], part[FRESH_BYTES : FRESH_BYTES + 100] = part[FRESH_BYTES : FRESH_BYTES + 100], part[:100]
    with pytest.raises(CiphertextError):
        sealer.open(bytes(part), 8, count, 1)


def test_something_behind_the_last_value_is_noticed() -> None:
    sealer = BfvSealer(COMPACT, SEED)
    part = sealer.seal(np.array([1, 2, 3]))
    assert sealer.open(part, 8, 3, 1).tolist() == [1, 2, 3]
    with pytest.raises(CiphertextError, match="behind its last value"):
        sealer.open(part, 8, 2, 1)


@pytest.mark.parametrize("size", [0, 1, FRESH_BYTES - 1, FRESH_BYTES + 1, 2 * FRESH_BYTES, SUM_BYTES - 1])
def test_other_lengths_are_refused_everywhere(size: int) -> None:
    adder, sealer = BfvArithmetic(COMPACT), BfvSealer(COMPACT, SEED)
    assert f"has {size} bytes" in adder.check(bytes(size), 8, 9)
    with pytest.raises(CiphertextError):
        adder.combine([bytes(size)], [1], [8], 15, 9)
    with pytest.raises(CiphertextError):
        sealer.open(bytes(size), 8, 9, 1)


@pytest.mark.parametrize("count", [0, -1, 32 * 3 * RING + 1, 1 << 40, 1 << 62])
def test_a_number_of_fields_that_cannot_be_costs_nothing(count: int) -> None:
    assert f"a sealed part of {count} fields" in BfvArithmetic(COMPACT).check(bytes(FRESH_BYTES), 8, count)
