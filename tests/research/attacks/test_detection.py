"""AUC and true positive rates against hand calculations and other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from research.attacks.detection import (
    auc,
    auc_gain_intervals,
    auc_interval,
    gain_intervals,
    resampled,
    tpr_at_fpr,
)


def test_auc_by_hand_and_as_scikit_learn_has_it() -> None:
    assert auc([3, 2], [1, 2]) == (1 + 1 + 1 + 0.5) / 4
    assert auc([1, 1], [1, 1]) == 0.5 and auc([2], [1]) == 1.0 and auc([0], [1]) == 0.0
    rng = np.random.default_rng(6)
    member, nonmember = rng.integers(0, 9, 40), rng.integers(0, 7, 55)
    truth = np.r_[np.ones(40), np.zeros(55)]
    assert auc(member, nonmember) == pytest.approx(roc_auc_score(truth, np.r_[member, nonmember]))


def test_delongs_interval_by_hand() -> None:
    # placements of members 1, 0.75; of nonmembers 1, 0.75: variances 0.03125 / 2 each
    low, high = auc_interval([3, 2], [1, 2])
    half = 1.959964 * math.sqrt(0.03125) / (0.875 * 0.125)
    middle = math.log(7)
    assert (low, high) == pytest.approx((1 / (1 + math.exp(half - middle)), 1 / (1 + math.exp(-half - middle))))


def test_the_aucs_interval_covers_and_agrees_with_a_bootstrap() -> None:
    rng = np.random.default_rng(7)
    truth = stats.norm.cdf(1 / math.sqrt(2))
    covered = []
    for _ in range(300):
        low, high = auc_interval(rng.normal(1, 1, 40), rng.normal(0, 1, 30))
        covered.append(low < truth < high)
    assert 0.92 < np.mean(covered) < 0.98
    member, nonmember = rng.normal(1, 1, 120), rng.normal(0, 1, 100)
    drawn = np.quantile(resampled(auc, member, nonmember, rng, 600), [0.025, 0.975])
    assert np.allclose(auc_interval(member, nonmember), drawn, atol=0.02)


def test_perfect_separation_is_not_certainty() -> None:
    low, high = auc_interval(np.arange(10, 20), np.arange(10))
    assert high == 1.0 and 0.75 < low < 0.9
    assert auc_interval(np.arange(10), np.arange(10, 20)) == pytest.approx((0.0, 1.0 - low))
    assert auc_interval(np.arange(100, 200), np.arange(100))[0] > 0.96


def test_tpr_at_fpr_by_hand() -> None:
    nonmember = np.arange(100.0)
    assert tpr_at_fpr([97.5, 98.5, 99.5, 200.0], nonmember) == 0.75  # one nonmember (99) may be above: threshold 98
    assert tpr_at_fpr([97.5, 98.5], nonmember, fpr=0.02) == 1.0
    assert tpr_at_fpr([98.0, 98.0], nonmember) == 0.0  # a tie with the threshold is no find


def test_ties_never_count_for_the_attack() -> None:
    assert tpr_at_fpr(np.ones(50), np.ones(200)) == 0.0
    nonmember = np.r_[np.zeros(90), np.ones(10)]  # ten share the largest score: no threshold lets just one through
    assert tpr_at_fpr(np.ones(50), nonmember) == 0.0


def test_too_few_nonmembers_for_the_rate_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 100 are needed"):
        tpr_at_fpr([1.0], np.arange(99.0))
    assert tpr_at_fpr([1000.0], np.arange(100.0)) == 1.0


def test_the_gains_interval_is_by_victim() -> None:
    rng = np.random.default_rng(9)
    member, nonmember = rng.normal(1, 1, 80), rng.normal(0, 1, 80)
    same = (member, member), (nonmember, nonmember)
    assert gain_intervals(auc, *same, rng=rng) == auc_gain_intervals(*same) == ((0.0, 0.0), (0.0, 0.0))
    guess = member + rng.normal(0, 0.3, 80) - 1, nonmember + rng.normal(0, 0.3, 80)
    pairs = (member, guess[0]), (nonmember, guess[1])
    (low, high), inner = gain_intervals(auc, *pairs, rng=rng)
    assert 0 < low < inner[0] < auc(member, nonmember) - auc(*guess) < inner[1] < high
    assert np.allclose(auc_gain_intervals(*pairs), ((low, high), inner), atol=0.01)
    other = rng.permutation(guess[0]), rng.permutation(guess[1])  # the same guesses, but of other victims
    apart = auc_gain_intervals((member, other[0]), (nonmember, other[1]))[0]
    assert high - low < 0.7 * (apart[1] - apart[0])
