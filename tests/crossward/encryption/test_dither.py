"""The dither is uniform, its mean goes, no plan overflows with it, and every kind of part adds the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from crossward.encryption.aggregator import Arithmetic, ClearArithmetic
from crossward.encryption.aggregator.bfv import BfvArithmetic
from crossward.encryption.aggregator.ckks import CkksArithmetic
from crossward.encryption.ckks import parameters
from crossward.encryption.dither import KNOWN, Dither, NoDither, VersionDither
from crossward.encryption.holder import ClearSealer, Sealer
from crossward.encryption.holder.bfv import BfvSealer
from crossward.encryption.holder.ckks import CkksSealer, make_context
from crossward.encryption.plan import PRESETS, FieldPlan

HOSPITALS, WEIGHTS = ("a", "b", "c"), (26, 47, 55)


def version(dither: Dither = KNOWN, number: int = 1, total: int = 128) -> VersionDither:
    made = dither.version(total, number, HOSPITALS, WEIGHTS)
    assert made is not None
    return made


@pytest.mark.parametrize("total", [4, 64, 128, 1024])
def test_it_is_uniform_over_0_to_w_minus_2_with_the_mean_that_opening_removes(total: int) -> None:
    drawn = version(total=total)(0, 200_000)
    counts = np.bincount(drawn, minlength=total)
    assert drawn.min() == 0 and counts.size == total and counts[-1] == 0
    assert chisquare(counts[:-1]).pvalue > 1e-4
    plan = FieldPlan(8, total.bit_length() - 1, 0)
    assert plan.dither_mean == sum(range(total - 1)) / (total - 1)
    assert abs(drawn.mean() - plan.dither_mean) < 5 * drawn.std() / drawn.size**0.5
    assert drawn.std() / total < 0.29


def test_fields_carry_the_same_however_they_are_cut_into_parts() -> None:
    whole = version()(0, 1000)
    for first, count in ((0, 1), (1, 1), (2, 5), (3, 997), (999, 1), (64, 64)):
        assert np.array_equal(version()(first, count), whole[first : first + count])


def test_it_follows_from_key_version_contributors_and_weights_in_any_order() -> None:
    base = version()(0, 64)
    again = KNOWN.version(128, 1, ("c", "a", "b"), (55, 26, 47))
    assert again is not None and np.array_equal(again(0, 64), base)
    for other in (
        version(Dither(bytes(31) + b"\1")),
        version(number=2),
        KNOWN.version(128, 1, HOSPITALS, (26, 48, 54)),
        KNOWN.version(128, 1, ("a", "b", "d"), WEIGHTS),
    ):
        assert other is not None and np.mean(other(0, 64) == base) < 0.2
    assert not np.array_equal(version(Dither())(0, 64), version(Dither())(0, 64))
    assert NoDither().version(128, 1, HOSPITALS, WEIGHTS) is None


def test_a_key_of_another_length_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ValueError, match="a dither key of 16 bytes: expected 32"):
        Dither(bytes(16))
    assert "key" not in repr(Dither())


# ---------------------------------------------------------------------- in parts


def faces(kind: str, plan: FieldPlan) -> tuple[Sealer, Arithmetic]:
    if kind == "clear":
        return ClearSealer(plan), ClearArithmetic()
    if kind == "bfv":
        return BfvSealer(plan, bytes(range(64))), BfvArithmetic(plan)
    return CkksSealer(plan, make_context()[0]), CkksArithmetic(parameters())


EXTREMES = [(1, 1), (-1, 1), (1, 0), (-1, 0)]  # sign of every value, whether the dithers are at their largest


@pytest.mark.parametrize("kind", ["clear", "bfv", "ckks"])
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(("sign", "largest"), EXTREMES)
def test_v_versions_at_their_extremes_open_to_the_exact_integers(name: str, kind: str, sign: int, largest: int) -> None:
    """Every value, weight and dither at its bound, V versions added up: no field overflows into its neighbour."""
    plan, count = PRESETS[name], 50
    sealer, adder = faces(kind, plan)
    values = np.full(count, sign * plan.q_max)
    values[::7] *= -1
    dither = np.full(count, (plan.total_weight - 2) * largest)
    weights = [plan.total_weight - 1, 1]
    part = sealer.seal(values)
    total = adder.combine([part, part], weights, [plan.update_bits] * 2, plan.sum_bits(1), count, dither)
    added = 1
    while added < plan.max_versions:
        bits = [plan.sum_bits(added)] * 2
        total, added = adder.combine([total, total], [1, 1], bits, plan.sum_bits(2 * added), count), 2 * added
    opened = sealer.open(total, plan.sum_bits(added), count, added * plan.total_weight, added)
    expected = added * (plan.total_weight * values + dither - plan.dither_mean)
    assert np.array_equal(opened, expected)
    assert np.abs(opened).max() <= plan.largest_sum(added * plan.total_weight, added)


@pytest.mark.parametrize("kind", ["bfv", "ckks"])
def test_several_ciphertexts_carry_their_own_stretch_of_the_dither(kind: str) -> None:
    plan = PRESETS["compact"]
    sealer, adder = faces(kind, plan)
    values = np.random.default_rng(0).integers(-plan.q_max, plan.q_max + 1, 3 * 4096 * 2 + 5)
    dither = version()(0, values.size)
    total = adder.combine([sealer.seal(values)], [128], [8], 15, values.size, dither)
    assert np.array_equal(sealer.open(total, 15, values.size, 128, 1), 128 * values + dither - plan.dither_mean)


def test_one_dither_fewer_or_more_than_is_said_shifts_every_value_or_does_not_open() -> None:
    plan = PRESETS["compact"]
    sealer, adder = faces("clear", plan)
    part = adder.combine([sealer.seal(np.zeros(9))], [128], [8], 15, 9, version()(0, 9))
    right, wrong = (sealer.open(part, 15, 9, 128, message) for message in (1, 0))
    assert np.array_equal(wrong - right, np.full(9, plan.dither_mean))
