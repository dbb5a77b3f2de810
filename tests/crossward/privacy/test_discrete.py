"""The sampler draws the discrete Gaussian: exactly by its table, statistically by its values, at every edge by hand."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy import stats

from crossward.privacy.discrete import DiscreteGaussian, thresholds
from crossward.privacy.hospital import DISTANCE, LEAST_SIGMA, TAIL


def seeded(seed: int) -> Callable[[int], bytes]:
    return np.random.default_rng(seed).bytes


def given(*numbers: int) -> Callable[[int], bytes]:
    """64-bit numbers as random bytes, in order."""
    data = b"".join(number.to_bytes(8, "little") for number in numbers)
    place = [0]

    def source(count: int) -> bytes:
        place[0] += count
        assert place[0] <= len(data), "more bytes were asked for than a draw takes"
        return data[place[0] - count : place[0]]

    return source


def mass(sigma: float, last: int) -> list[Decimal]:
    """exp(-x^2 / 2 sigma^2) for x = 0..last, each by itself."""
    with localcontext() as context:
        context.prec = 70
        return [(Decimal(-x * x) / (2 * Decimal(sigma) ** 2)).exp() for x in range(last + 1)]


def pmf(sigma: float, tail: int) -> np.ndarray:
    half = np.exp(-(np.arange(-tail, tail + 1.0) ** 2) / (2 * sigma**2))
    return np.asarray(half / half.sum())


@pytest.mark.parametrize("sigma", [1.0, 4.0, 37.8125])
def test_the_table_holds_the_distribution_function_to_128_bits(sigma: float) -> None:
    tail = int(np.ceil(12 * sigma))
    high, low = thresholds(sigma, tail)
    half = mass(sigma, tail)
    with localcontext() as context:
        context.prec = 70
        below, total = Decimal(0), 2 * sum(half) - half[0]
        for place, x in enumerate(range(-tail, tail)):
            below += half[abs(x)]
            assert abs((int(high[place]) << 64 | int(low[place])) - below / total * 2**128) <= 2


@pytest.mark.parametrize("sigma", [LEAST_SIGMA, 61.25, 2620.71484375])
def test_what_the_bounded_sampler_differs_by_is_what_delta_is_charged_for(sigma: float) -> None:
    """Total variation: the mass beyond the tail, and 2**-128 for each entry of the table."""
    tail = int(np.ceil(TAIL * sigma))
    with localcontext() as context:
        context.prec = 70
        inside = sum(mass(min(sigma, 61.25), int(np.ceil(TAIL * min(sigma, 61.25)))))  # in proportion to sigma
        beyond = sum(
            (Decimal(-x * x) / (2 * Decimal(sigma) ** 2)).exp() for x in range(tail + 1, tail + int(sigma) + 2)
        )
        share = beyond / (inside * Decimal(sigma) / Decimal(min(sigma, 61.25)))
        assert share + Decimal(2 * tail) / Decimal(2**128) < Decimal(DISTANCE)


def test_values_follow_the_probabilities() -> None:
    sigma, tail, count = 5.25, 63, 200_000
    drawn = DiscreteGaussian(sigma, tail, seeded(5)).draw(count)
    assert drawn.dtype == np.int32 and abs(drawn.mean()) < 4 * sigma / np.sqrt(count)
    assert drawn.var() == pytest.approx(sigma**2, rel=4 * np.sqrt(2 / count))
    p = pmf(sigma, tail) * count
    seen = np.bincount(drawn + tail, minlength=2 * tail + 1).astype(float)
    often = p >= 10
    seen, p = np.append(seen[often], seen[~often].sum()), np.append(p[often], p[~often].sum())
    assert stats.chisquare(seen, p).pvalue > 1e-3
    wrong = pmf(sigma * 1.02, tail) * count  # and two per cent more noise would have been noticed
    wrong = np.append(wrong[often], wrong[~often].sum())
    assert stats.chisquare(seen, wrong * seen.sum() / wrong.sum()).pvalue < 1e-6


def test_large_scales_in_more_than_one_stretch() -> None:
    sigma, count = 2620.75, (1 << 20) + 17
    drawn = DiscreteGaussian(sigma, 31450, seeded(1)).draw(count)
    assert drawn.size == count and abs(drawn.mean()) < 4 * sigma / 1024
    assert drawn.std() == pytest.approx(sigma, rel=0.004)
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.005


def test_each_draw_is_the_inverse_of_its_own_bits() -> None:
    sigma, tail = 3.5, 42
    high, low = thresholds(sigma, tail)
    whole = [int(h) << 64 | int(part) for h, part in zip(high, low, strict=True)]
    uppers = [int(u) for u in np.random.default_rng(2).integers(0, 2**64, 500, dtype=np.uint64, endpoint=False)]
    expected = [sum(t <= upper << 64 for t in whole) - tail for upper in uppers]  # no upper half is a threshold's
    assert not set(uppers) & {int(h) for h in high}
    assert DiscreteGaussian(sigma, tail, given(*uppers)).draw(500).tolist() == expected


def test_where_the_upper_half_does_not_decide_the_lower_half_does() -> None:
    sigma, tail = 3.5, 42
    high, low = (part.tolist() for part in thresholds(sigma, tail))
    for place in (tail - 3, tail, tail + 2):
        assert high.count(high[place]) == 1
        for lower, value in ((low[place] - 1, place), (low[place], place + 1), (2**64 - 1, place + 1), (0, place)):
            assert DiscreteGaussian(sigma, tail, given(high[place], lower)).draw(1).tolist() == [value - tail]
    shared = high.count(0)  # far out several thresholds are below 2**-64
    assert shared > 3
    for place in range(shared):
        assert DiscreteGaussian(sigma, tail, given(0, low[place])).draw(1).tolist() == [place + 1 - tail]
    assert DiscreteGaussian(sigma, tail, given(0, 0)).draw(1).tolist() == [-tail]
    most = 2**64 - 1
    assert DiscreteGaussian(sigma, tail, given(most, most)).draw(1).tolist() == [tail]


def test_two_nodes_draw_different_noise_and_secret_bytes_are_the_default() -> None:
    one, two = DiscreteGaussian(40.0, 480), DiscreteGaussian(40.0, 480)
    assert (one.draw(64) != two.draw(64)).any() and (one.draw(64) != one.draw(64)).any()


@pytest.mark.parametrize(
    ("sigma", "tail"), [(0.5, 10), (float("nan"), 10), (float("inf"), 10), (4.0, 3), (4.0, 1 << 24)]
)
def test_scales_and_tails_out_of_range_are_refused(sigma: float, tail: int) -> None:
    with pytest.raises(ValueError, match="a discrete Gaussian's"):
        DiscreteGaussian(sigma, tail)
