"""Weights: formulas by hand, staleness, the cap on shares, integers that sum to W, damping on purpose."""

import math
import statistics
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.config.strategy_settings import StrategySettings
from crossward.config.weightings import EQUAL, LOSS_CAP, WEIGHTINGS, Facts, Weighting
from strategies.aggregation.versions import weigh
from strategies.aggregation.weighting import (
    Contribution,
    breadth,
    capped,
    damped_total,
    equal_weights,
    evenness,
    integer_weights,
    shares,
    staleness_factor,
    step_factor,
    trusted,
)

S = StrategySettings(max_share=1.0, weighting="paper", damping="relative", exponents="0.5,0.5,1")
A = Contribution(loss_sum=200.0, num_tokens=100, num_examples=10, bandwidth=16.0, staleness=0)
B = Contribution(loss_sum=100.0, num_tokens=50, num_examples=30, bandwidth=4.0, staleness=3, interval=5)
FORMULAS = [name for name, weighting in WEIGHTINGS.items() if not weighting.fixed]


def known(c: Contribution) -> Facts:
    return Facts({name: getattr(c, name) for name in ("loss_sum", "num_tokens", "num_examples", "bandwidth")})


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("paper", 200 / (100 * 4), 100 / (50 * 2)),
        ("paper-literal", 2 / (100 * 4), 2 / (50 * 2)),
        ("examples", 10, 30),
        ("corrected", 100 * 2.001, 50 * 2.001),
        ("uniform", 1, 1),
    ],
)
def test_each_formula_by_hand_and_its_shares_with_staleness(name: str, a: float, b: float) -> None:
    s = replace(S, weighting=name)
    assert WEIGHTINGS[name].weight(known(A), s) == pytest.approx(a)
    assert WEIGHTINGS[name].weight(known(B), s) == pytest.approx(b)
    b = b / 2  # (1 + 3) ** -0.5
    assert shares([A, B], s) == pytest.approx([a / (a + b), b / (a + b)])


def test_exponents_are_those_of_the_settings() -> None:
    s = replace(S, exponents="1,0.5,2", loss_offset=0.5)
    assert WEIGHTINGS["paper"].weight(known(A), s) == pytest.approx(2 / 16)
    assert WEIGHTINGS["corrected"].weight(known(A), s) == pytest.approx(100 * 2.5**2)
    assert WEIGHTINGS["paper"].weight(known(A), replace(S, exponents="0,0.5,1")) == pytest.approx(2.0)


def test_a_weighting_reads_nothing_that_it_does_not_name_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless(Weighting):
        about, needs = "sizes, unasked", frozenset({"loss_sum"})

        def weight(self, update: Facts, s: object) -> float:
            return update.num_examples

    monkeypatch.setitem(WEIGHTINGS, "careless", Careless())
    with pytest.raises(LookupError, match="needs loss_sum reads num_examples, which nodes may have withheld"):
        shares([A, B], replace(S, weighting="careless"))


def test_staleness_is_a_power() -> None:
    assert [staleness_factor(s, 0.5) for s in (0, 3, 8)] == pytest.approx([1.0, 1 / 2, 1 / 3])
    assert staleness_factor(4, 0.0) == 1.0
    assert staleness_factor(1, 2.0) == 0.25


def test_what_a_capped_share_loses_goes_to_the_others_in_proportion() -> None:
    parts = [Contribution(1, 1, n, 1, 0) for n in (80, 10, 6, 4)]
    s = replace(S, weighting="examples", max_share=0.5)
    assert shares(parts, s) == pytest.approx([0.5, 0.25, 0.15, 0.1])
    # 0.35 for the first: 10 of 20 of the rest would be 0.325, so only one is capped; with 0.3 the second is too
    assert shares(parts, replace(s, max_share=0.35)) == pytest.approx([0.35, 0.325, 0.195, 0.13])
    assert shares(parts, replace(s, max_share=0.3)) == pytest.approx([0.3, 0.3, 0.24, 0.16])


def test_a_cap_below_1_of_k_means_equal_shares() -> None:
    parts = [Contribution(1, 1, n, 1, 0) for n in (80, 10, 6, 4)]
    assert shares(parts, replace(S, weighting="examples", max_share=0.1)) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize("name", ["paper", "corrected"])
def test_a_loss_counts_up_to_a_multiple_of_the_versions_median(name: str) -> None:
    s = replace(S, weighting=name)
    others = [Contribution(200.0, 100, 10, 16.0, 0), Contribution(220.0, 100, 10, 16.0, 0)]
    noise, bound = (Contribution(loss, 100, 10, 16.0, 0) for loss in (5000.0, LOSS_CAP * 220.0))
    assert shares([*others, noise], s) == pytest.approx(shares([*others, bound], s))
    below = Contribution(0.9 * LOSS_CAP * 220.0, 100, 10, 16.0, 0)
    assert shares([*others, below], s)[2] < shares([*others, bound], s)[2]


@pytest.mark.parametrize("loss", [0.0, float("inf"), float("nan")])
def test_losses_that_give_no_weights_mean_equal_shares(loss: float) -> None:
    parts = [Contribution(loss, 1, 1, 1, 0)] * 4
    assert shares(parts, S) == [0.25] * 4


contribution = st.builds(
    Contribution,
    loss_sum=st.floats(0, 1e9),
    num_tokens=st.integers(1, 10**9),
    num_examples=st.integers(1, 10**9),
    bandwidth=st.floats(0.1, 1e5),
    staleness=st.integers(0, 1000),
    interval=st.integers(1, 1000),
)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(contribution, min_size=1, max_size=9), st.sampled_from(FORMULAS), st.floats(0.01, 1.0))
def test_shares_sum_to_1_under_the_cap_and_keep_the_order(c: list[Contribution], name: str, cap: float) -> None:
    s = replace(S, name="fedbuff", weighting=name, max_share=cap)  # with AsyncHybrid a large loss may turn the order
    got = shares(c, s)
    assert math.fsum(got) == pytest.approx(1.0)
    assert all(0 <= share <= max(cap, 1 / len(c)) * (1 + 1e-9) for share in got)
    most = LOSS_CAP * statistics.median(x.mean_loss for x in c)
    c = [replace(x, loss_sum=min(x.loss_sum, most * x.num_tokens)) for x in c]
    raw = [WEIGHTINGS[name].weight(known(x), s) * staleness_factor(x.staleness, s.staleness_exponent) for x in c]
    if sum(raw) > 0:
        ordered = [got[i] for i in sorted(range(len(c)), key=lambda i: raw[i])]
        assert all(x <= y * (1 + 1e-9) for x, y in pairwise(ordered))


@st.composite
def share_lists(draw: st.DrawFn) -> list[float]:
    raw = draw(st.lists(st.floats(0, 1), min_size=1, max_size=16))
    total = sum(raw)
    return [r / total for r in raw] if total > 1e-9 else [1 / len(raw)] * len(raw)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(share_lists(), st.integers(6, 10))
def test_integers_are_at_least_1_sum_to_w_and_keep_the_order(share: list[float], log_w: int) -> None:
    total = 1 << log_w
    got = integer_weights(share, total, [1] * len(share))
    assert sum(got) == total
    assert min(got) >= 1
    ordered = [got[i] for i in sorted(range(len(share)), key=lambda i: share[i])]
    assert all(x <= y or share[i] == share[j] for (x, i), (y, j) in _pairs(ordered, share))
    if min(share) * total >= 1:
        assert all(abs(n - s * total) < 1 for n, s in zip(got, share, strict=True))


def _pairs(ordered: list[int], share: list[float]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    index = sorted(range(len(share)), key=lambda i: share[i])
    named = list(zip(ordered, index, strict=True))
    return list(pairwise(named))


@settings(deadline=None, derandomize=True, max_examples=300)
@given(share_lists(), st.integers(6, 10), st.data())
def test_integers_with_multipliers_stay_within_w(share: list[float], log_w: int, data: st.DataObject) -> None:
    total, k = 1 << log_w, len(share)
    room = total // (2 * k)  # what admission lets in
    multipliers = [1 << data.draw(st.integers(0, min(6, int(math.log2(room))))) for _ in range(k)]
    got = integer_weights(share, total, multipliers)
    used = sum(n * m for n, m in zip(got, multipliers, strict=True))
    assert min(got) >= 1
    assert used <= total
    assert total - used < min(multipliers)


def test_largest_remainders_by_hand() -> None:
    # 6.4, 5.2, 4.4 of 16: two of them are left over after the floors... 6+5+4 = 15, one is left: the first of .4 and .4
    assert integer_weights([0.4, 0.325, 0.275], 16, [1, 1, 1]) == [7, 5, 4]
    assert integer_weights([0.99, 0.01, 0.0], 16, [1, 1, 1]) == [14, 1, 1]
    assert integer_weights([0.5, 0.5], 16, [4, 1]) == [2, 8]


def test_weights_that_cannot_be_1_each_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2 updates with multipliers \[16, 1\] do not fit a total weight of 16"):
        integer_weights([0.5, 0.5], 16, [16, 1])


# ---------------------------------------------------------------------- damping


FRESH, STALE = Contribution(1, 1, 10, 1, 0), Contribution(1, 1, 10, 1, 3)


def test_relative_damping_uses_all_of_w_however_stale_the_buffer() -> None:
    s = replace(S, weighting="examples", damping="relative")
    assert damped_total([STALE, STALE], shares([STALE, STALE], s), 128, s) == 128
    assert shares([FRESH, STALE], s) == pytest.approx([2 / 3, 1 / 3])


def test_absolute_damping_also_shortens_the_step() -> None:
    s = replace(S, weighting="examples", damping="absolute")
    assert damped_total([FRESH, FRESH], [0.5, 0.5], 128, s) == 128
    # both are 3 stale: W * 4 ** -0.5
    assert damped_total([STALE, STALE], [0.5, 0.5], 128, s) == 64
    assert 64 < damped_total([FRESH, STALE], shares([FRESH, STALE], s), 128, s) < 128


def test_absolute_damping_scales_each_update_by_its_own_factor() -> None:
    """FedBuff: a fresh and a 3 stale update of equal size move the model by 1/2 * 1 and 1/2 * 1/2 of a step."""
    s = replace(S, weighting="examples", damping="absolute")
    share = shares([FRESH, STALE], s)
    total = damped_total([FRESH, STALE], share, 128, s)
    assert integer_weights(share, total, [1, 1]) == [64, 32]


def test_fading_damping_begins_as_absolute_and_ends_with_shares_as_intervals() -> None:
    s = replace(S, weighting="uniform", damping="fading", exponents="0.5,1,1")
    absolute, stale = replace(s, damping="absolute"), replace(STALE, interval=4)
    parts = [FRESH, FRESH, stale]  # staleness factors 1, 1, 1/4
    assert weigh(parts, 1 << 10, s, 0.0) == weigh(parts, 1 << 10, absolute, 0.9)
    assert shares(parts, s, 0.5) == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert shares(parts, s, 1.0) == pytest.approx([1 / 6, 1 / 6, 4 / 6])
    for even in (0.0, 0.5, 1.0):  # the version's step is as long all the time
        assert damped_total(parts, shares(parts, s, even), 1 << 10, s) == round((1 << 10) * 2.25 / 3)
    half = damped_total(parts, shares(parts, s), 1 << 10, s, broad=0.5)
    assert half == round((1 << 10) * (2 + 4**-0.5) / 3)
    assert damped_total(parts, shares(parts, s), 1 << 10, s, broad=1.0) == 1 << 10  # a version of most hospitals


def test_shares_are_even_by_the_last_version_and_from_the_first_with_few_hospitals() -> None:
    assert [evenness(version, 10, breadth(10, 100)) for version in (0, 5, 10, 12)] == pytest.approx(
        [0.04, 0.28, 1.0, 1.0]
    )
    assert [evenness(0, 10, breadth(3, n)) for n in (3, 6, 12, 24)] == pytest.approx([1.0, 1.0, 1 / 4, 1 / 16])


def test_fading_lets_slow_hospitals_count_as_much_over_a_run() -> None:
    """A slow hospital in every fourth version: by the end its shares make up for that."""
    s = replace(S, weighting="uniform", damping="fading", exponents="0.5,1,1", max_share=0.45)
    quick = [Contribution(1, 1, 1, 1, 0)] * 3
    slow = Contribution(1, 1, 1, 1, 3, interval=4)
    often, seldom = weigh(quick, 1 << 10, s, 1.0)[1], weigh([*quick[:2], slow], 1 << 10, s, 1.0)[1]
    early = weigh([*quick[:2], slow], 1 << 10, s, 0.0)[1]
    assert seldom[2] > often[0] > early[2]


def test_updates_that_come_at_once_share_out_a_step_and_a_quarter() -> None:
    """100 hospitals that take equally long: ten versions of one base, of which the last is nine versions stale."""
    s = replace(S, weighting="uniform", damping="fading", exponents="0.5,1,1", buffer_size=10)
    crowd = [Contribution(1, 1, 1, 1, stale, crowd=100) for stale in range(10)]
    assert [step_factor(c, s) for c in crowd] == pytest.approx([0.125] * 8 + [1 / 9, 1 / 10])
    totals = [damped_total([c] * 10, [0.1] * 10, 1 << 10, s) for c in crowd]
    assert sum(totals) / (1 << 10) == pytest.approx(1.21, abs=0.01)
    alone = [damped_total([replace(c, crowd=10 * (c.staleness + 1))] * 10, [0.1] * 10, 1 << 10, s) for c in crowd]
    assert sum(alone) / (1 << 10) == pytest.approx(2.93, abs=0.01)  # as they come one after the other: staleness alone
    most = [damped_total([c] * 10, [0.1] * 10, 1 << 10, s, broad=1.0) for c in crowd]
    assert most == [1 << 10] * 10  # a version of most hospitals is never shortened


def test_a_loss_far_beyond_the_others_counts_for_less() -> None:
    s = StrategySettings(max_share=1.0)
    good, poor, noise = (Contribution(loss * 10, 10, 8, 1, 0) for loss in (2.0, 5.9, 12.0))
    assert trusted([good, good, poor, noise], 2.0) == pytest.approx([1, 1, 1, (2 * 3.95 / 12) ** 2])
    assert shares([good, good, good, poor], s) == [0.25] * 4  # differs, but can be learnt from
    assert shares([good, good, good, noise], s)[3] == pytest.approx(0.25 / 3.25)
    silent, negative = replace(good, loss_sum=0.0), replace(good, loss_sum=-30.0)
    assert trusted([silent, silent, noise], 3.0) == [1.0] * 3  # nobody says anything
    assert trusted([good, good, negative], 3.0) == [1.0] * 3
    assert trusted([good, good, noise], math.inf) == [1.0] * 3
    for name in ("fedbuff", "fedavg"):
        other = StrategySettings(name=name, max_share=1.0)
        assert shares([good, good, good, noise], other) == [0.25] * 4
    assert shares([good, good, good, noise], replace(s, weighting="uniform")) == [0.25] * 4


def test_absolute_damping_leaves_every_update_a_weight() -> None:
    s = replace(S, weighting="examples", damping="absolute", exponents="0.5,4,1")
    ancient = [Contribution(1, 1, 10, 1, 1000, 2)] * 4
    total = damped_total(ancient, [0.25] * 4, 128, s)
    assert total == 8
    assert integer_weights([0.25] * 4, total, [2] * 4) == [1, 1, 1, 1]


def test_equal_counts_every_update_the_same_whatever_is_said_of_it() -> None:
    s = replace(S, weighting=EQUAL, buffer_size=3, max_share=0.1, damping="absolute")
    assert shares([A, B], s) == [0.5, 0.5]
    assert weigh([A, B, B], 128, s)[1] == [42, 42, 42]
    assert weigh([A, B], 128, s)[1] == [42, 42]  # fewer are a shorter step, not a larger weight


def test_equal_weights_are_a_fixed_part_in_every_unit() -> None:
    assert equal_weights(128, 4, [1, 1, 1, 1]) == [32] * 4
    assert equal_weights(128, 0, [1, 1, 1]) == [42] * 3  # of as many as came
    assert equal_weights(128, 2, [1, 1, 1]) == [42] * 3  # more than a buffer: still within W
    assert equal_weights(128, 3, [1, 2, 16]) == [42, 42, 32]  # multiples of what brings them to the unit
    assert equal_weights(32, 8, [1, 8]) == [4, 8]
    with pytest.raises(ValueError, match="do not fit a total weight of 32"):
        equal_weights(32, 3, [32, 1, 1])


def test_a_weight_too_small_to_share_out_does_not_unsettle_the_others() -> None:
    raw = [0.0, 1.0, 1.0, 1.7e-314]  # below the smallest normal number: three digits are left of it
    assert math.fsum(capped(raw, 0.375)) == pytest.approx(1.0, rel=1e-12)
    assert capped(raw, 0.375)[1:3] == pytest.approx([0.375, 0.375])
