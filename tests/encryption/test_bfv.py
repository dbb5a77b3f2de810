"""BFV parts: sums are numpy's integers up to the bound, bytes are what they must be, what is wrong does not open."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pytest
import tenseal.sealapi as seal
from hypothesis import given, settings
from hypothesis import strategies as st

from encryption import bfv
from encryption.aggregator import BfvArithmetic
from encryption.bfv import CIPHERTEXTS, Bfv, CiphertextError, Scratch, from_60_bits, to_60_bits
from encryption.holder import BfvSealer
from encryption.plan import FRESH_BYTES, PRESETS, RING, SUM_BYTES, FieldPlan, PlanError

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
    return largest_slot(plan) < plain_modulus(plan.fields_per_slot * plan.field_bits)


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
    parts = [sealer.close(row) for row in rows]
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


@pytest.mark.xfail(strict=True, reason="plan.py: k * field_bits bits of plain modulus may lie below the largest slot")
@pytest.mark.parametrize("bits", [(16, 8, 0), (8, 7, 6), (24, 3, 0), (16, 10, 0), (8, 2, 11)])
def test_a_sum_of_largest_values_does_not_wrap_around_the_plain_modulus(bits: tuple[int, int, int]) -> None:
    plan = FieldPlan(*bits)
    got = summed(plan, [np.full(5, plan.q_max)], [plan.total_weight], plan.max_versions)
    assert got.tolist() == [plan.q_max * plan.total_weight * plan.max_versions] * 5


@pytest.mark.xfail(strict=True, reason="plan.py: check_sealable lets plans pass whose slots exceed the plain modulus")
def test_every_plan_that_may_be_sealed_has_a_plain_modulus_above_its_largest_slot() -> None:
    assert len(HOLDING) == len(PLANS)


def test_a_plan_that_does_not_fit_raises() -> None:
    for made in (lambda p: BfvSealer(p, SEED), BfvArithmetic, Bfv):
        with pytest.raises(PlanError, match=r"needs 65\.4 bits .* has 60"):
            made(FieldPlan(20, 20, 0))


# ---------------------------------------------------------------------- bytes


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.integers(0, (1 << 60) - 1), min_size=1, max_size=30).map(lambda v: v + v))
def test_words_come_back_from_60_bits(words: list[int]) -> None:
    packed = to_60_bits(np.array(words, dtype=np.uint64))
    assert packed.nbytes == len(words) * 60 // 8
    assert from_60_bits(packed).tolist() == words
    assert packed.tobytes() == sum(word << 60 * i for i, word in enumerate(words)).to_bytes(packed.nbytes, "little")


@pytest.mark.parametrize("name", PRESETS)
def test_a_part_has_exactly_the_bytes_of_its_ciphertexts(name: str) -> None:
    sealer = BfvSealer(PRESETS[name], SEED)
    capacity = RING * PRESETS[name].fields_per_slot
    for count, number in ((1, 1), (capacity, 1), (capacity + 1, 2)):
        part = sealer.close(np.zeros(count, dtype=np.int64))
        assert len(part) == number * FRESH_BYTES == number * (RING * 60 // 8 + 64)
        assert BfvArithmetic(PRESETS[name]).check(part, sealer.plan.update_bits, count) == ""
    assert sealer.chunk == CIPHERTEXTS * capacity


def test_two_seals_of_the_same_values_share_nothing() -> None:
    sealer, values = BfvSealer(COMPACT, SEED), np.arange(-100, 100) // 2
    one, two = sealer.close(values), BfvSealer(COMPACT, SEED).close(values)
    words = [from_60_bits(np.frombuffer(part[:-64], dtype=np.uint8)) for part in (one, two)]
    assert one[-64:] != two[-64:] and int((words[0] == words[1]).sum()) <= 1
    assert np.array_equal(sealer.open(one, 8, 200, 1), sealer.open(two, 8, 200, 1))


def test_no_seed_is_used_twice_in_thousands() -> None:
    first, second, zero = BfvSealer(COMPACT, SEED), BfvSealer(COMPACT, SEED), np.zeros(1, dtype=np.int64)
    seeds = [sealer.close(zero)[-64:] for sealer in (first, second) for _ in range(1000)]
    assert len(set(seeds)) == 2000
    words = np.frombuffer(b"".join(seeds), dtype="<u8")
    assert len(set(words.tolist())) == words.size  # nor is any of its eight words


def test_coefficients_look_uniform() -> None:
    part = BfvSealer(COMPACT, SEED).close(np.zeros(3 * RING, dtype=np.int64))
    words = from_60_bits(np.frombuffer(part[:-64], dtype=np.uint8))
    assert abs(float((words / 2.0**60).mean()) - 0.5) < 0.03 and len(set(words.tolist())) == RING


# ---------------------------------------------------------------------- what does not open


def test_another_keys_part_does_not_open() -> None:
    part = BfvSealer(COMPACT, OTHER).close(np.arange(50))
    with pytest.raises(CiphertextError, match="made under another key"):
        BfvSealer(COMPACT, SEED).open(part, 8, 50, 1)


def test_a_sum_with_one_part_of_another_key_does_not_open() -> None:
    sealer, adder = BfvSealer(COMPACT, SEED), BfvArithmetic(COMPACT)
    parts = [sealer.close(np.arange(50)), BfvSealer(COMPACT, OTHER).close(np.arange(50))]
    total = adder.combine(parts, [127, 1], [8, 8], 15, 50)
    with pytest.raises(CiphertextError, match="no noise room left"):
        sealer.open(total, 15, 50, 128)


def test_too_much_noise_is_noticed_before_it_gives_wrong_values() -> None:
    """Weights far beyond W: opened as long as there is room, then refused; fields wrap but no exact value is wrong."""
    plan = FieldPlan(8, 7, 0)
    sealer, adder = BfvSealer(plan, SEED), BfvArithmetic(plan)
    part, refused = sealer.close(np.full(4, -127)), False  # fields of 1: 4096 * 1 fits 15 bits
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
    part = bytearray(sealer.close(np.ones(count, dtype=np.int64)))
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
    part = sealer.close(np.array([1, 2, 3]))
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


def test_a_coefficient_of_the_modulus_or_more_is_refused() -> None:
    made = Bfv(COMPACT)
    for word, reason in ((made.modulus - 1, False), (made.modulus, True), ((1 << 60) - 1, True)):
        words = np.zeros(RING, dtype=np.uint64)
        words[77] = word
        part = to_60_bits(words).tobytes() + bytes(64)
        assert bool(made.check(part, fresh=True)) is reason
        if reason:
            with pytest.raises(CiphertextError, match="SEAL refuses"):
                made.load(part)


# ---------------------------------------------------------------------- another SEAL


SAVED = pytest.param(
    "saved",
    marks=pytest.mark.xfail(strict=True, reason="bfv.py _check_layout: it sees no raw save"),
)


@pytest.mark.parametrize("what", [SAVED, "loaded", "header"])
def test_a_seal_that_lays_its_bytes_out_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    take, put, frame = Scratch.take, Scratch.put, Bfv._frame

    def swapped(data: Any) -> bytes:
        return np.frombuffer(bytes(data), dtype="<u8").byteswap().tobytes()

    match what:
        case "saved":

            def other(self: Scratch, thing: Any) -> bytes:
                saved = take(self, thing)
                return saved[: -8 * RING] + swapped(saved[-8 * RING :]) if len(saved) > 8 * RING else saved

            monkeypatch.setattr(Scratch, "take", other)
        case "loaded":
            monkeypatch.setattr(Scratch, "put", lambda self, a, b, *rest: put(self, a, b[::-1].tobytes(), *rest))
        case _:
            monkeypatch.setattr(Bfv, "_frame", staticmethod(lambda *a: (b"\0" + frame(*a)[0], frame(*a)[1])))
    with pytest.raises(CiphertextError, match="this SEAL does not lay its ciphertexts out as expected"):
        Bfv(COMPACT)


def test_a_fresh_ciphertext_laid_out_otherwise_never_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    sealer, take = BfvSealer(COMPACT, SEED), Scratch.take
    monkeypatch.setattr(
        bfv.Scratch, "take", lambda self, thing: take(self, thing)[:-70] + b"\1" + take(self, thing)[-69:]
    )
    with pytest.raises(CiphertextError, match=r"lay its fresh ciphertexts out|compresses every"):
        sealer.close(np.arange(3))
