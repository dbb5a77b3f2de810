"""Intervals, equivalence and what tells members apart, against hand calculations and known coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from research.attacks.detection import auc, gain_intervals, tpr_at_fpr
from research.attacks.statistics import (
    difference_interval,
    equivalent,
    mean_interval,
    share_interval,
    t_interval,
)


def test_the_means_interval_is_near_the_t_interval_of_normal_values() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 200)
    assert np.allclose(mean_interval(values), t_interval(values), atol=0.05)
    assert mean_interval(values) == mean_interval(values)  # without a generator a rerun is the same


def test_the_means_interval_of_skewed_values_is_skewed() -> None:
    values = np.array([0.0] * 30 + [1.0] * 3)
    low, high = mean_interval(values, rng=np.random.default_rng(2))
    assert 0.0 <= low < 3 / 33 < high and high - 3 / 33 > 3 / 33 - low


def test_the_means_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    draws = [mean_interval(rng.exponential(1.0, 25), 0.8, rng) for _ in range(60)]
    assert 0.62 < np.mean([low < 1.0 < high for low, high in draws]) < 0.95


def test_a_constant_sample_has_its_value_as_interval() -> None:
    assert mean_interval([0.25] * 5) == (0.25, 0.25)


def test_the_t_interval_by_hand() -> None:
    # mean 2, sd 1, n 3: half = t(0.975, 2) / sqrt(3) = 4.302653 / 1.732051
    assert np.allclose(t_interval([1.0, 2.0, 3.0]), (2 - 2.484138, 2 + 2.484138), atol=1e-6)


def test_equivalence_is_the_90_percent_interval_within_the_margin() -> None:
    values = [-0.02, 0.01, 0.0, 0.03, -0.01, 0.02]  # mean 0.005, sd 0.018708, t(0.95, 5) = 2.015048
    edge = 0.005 + 2.015048 * 0.0187083 / math.sqrt(6)
    assert equivalent(values, edge + 1e-5) and not equivalent(values, edge - 1e-5)
    assert equivalent([-v for v in values], edge + 1e-5) and not equivalent([-v for v in values], edge - 1e-5)


def test_equivalence_is_two_one_sided_tests_as_scipy_makes_them() -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        values, margin = rng.normal(0.02, 0.1, 12), 0.06
        below = stats.ttest_1samp(values, margin, alternative="less").pvalue
        above = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
        assert equivalent(values, margin) == (max(below, above) < 0.05)


def test_a_few_values_all_alike_do_not_prove_that_no_other_exists() -> None:
    # n zeros: a share up to 1 - 0.05 ** (1 / n) may be different: 0.0951 at 30, 0.0495 at 59
    assert not equivalent([0.0] * 30, 0.05) and equivalent([0.0] * 59, 0.05)
    assert equivalent([0.0] * 30, 0.05, spread=0.5) and equivalent([0.0] * 2, 0.05, spread=0.0)
    assert not equivalent([0.2] * 1000, 0.05)


def test_equivalence_says_yes_as_often_as_the_samples_power_promises() -> None:
    n = 45  # for a power of 0.9; the normal approximation gives (1.644854 + 1.644854)^2 * 4 = 43.3
    rng = np.random.default_rng(5)
    yes = np.mean([equivalent(rng.normal(0.0, 0.1, n), 0.05) for _ in range(1500)])
    assert 0.88 < yes < 0.93
    edge = np.mean([equivalent(rng.normal(0.05, 0.1, n), 0.05) for _ in range(1500)])
    assert edge < 0.07  # the error that is limited to 5 %: to call equivalent what lies on the margin


def test_a_shares_interval_is_clopper_pearsons() -> None:
    assert share_interval(0, 10) == pytest.approx((0.0, 1 - 0.025**0.1))
    assert share_interval(10, 10) == pytest.approx((0.025**0.1, 1.0))


def test_a_difference_of_means_by_hand() -> None:
    # means 2 and 5, variances 1 and 4 over 3: standard error sqrt(5 / 3), Welch's degrees of freedom 50 / 17
    half = stats.t.ppf(0.975, 50 / 17) * math.sqrt(5 / 3)
    assert difference_interval([1, 2, 3], [3, 5, 7]) == pytest.approx((-3 - half, -3 + half))
    assert difference_interval([2, 2], [1, 1]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([1.0]), "at least 2 are needed"),
        (lambda: mean_interval([1.0, math.nan]), "1 of 2 are not finite"),
        (lambda: equivalent([0.0, 0.1], 0.0), "margin = 0.0"),
        (lambda: auc([], [1.0]), "member: 0 given"),
        (lambda: share_interval(3, 2), "3 successes in 2 trials"),
        (lambda: tpr_at_fpr([1.0], [1.0] * 100, fpr=0.0), "fpr = 0.0"),
        (lambda: gain_intervals(auc, ([1, 2], [1, 2, 3]), ([1, 2], [1, 2])), "2 scores of the attack, 3 of the guess"),
    ],
)
def test_what_cannot_be_told_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
