"""Spreads and paired differences against values worked out by hand or by scipy's own tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from research.compare.statistics import paired, spread


def test_a_spread_is_students() -> None:
    found = spread([1.0, 2.0, 3.0])
    assert found["mean"] == 2.0 and found["sd"] == 1.0 and found["values"] == [1.0, 2.0, 3.0]
    low, high = stats.t.interval(0.95, 2, loc=2.0, scale=1 / np.sqrt(3))
    assert found["low"] == pytest.approx(low) and found["high"] == pytest.approx(high)


def test_what_is_unknown_stays_unknown() -> None:
    assert spread([None, None])["mean"] is None
    alone = spread([None, 4.0])
    assert alone["mean"] == 4.0 and alone["sd"] is None and alone["low"] is None
    assert paired([1.0], [2.0], 0.1)["difference"] is None
    assert paired([1.0, None], [2.0, 3.0], 0.1) | {"seeds": 1} == paired([1.0], [2.0], 0.1)


def test_a_paired_difference_is_that_of_the_paired_t_test() -> None:
    ours, theirs = [1.51, 1.58, 1.72, 1.80], [1.50, 1.60, 1.70, 1.80]
    found = paired(ours, theirs, 0.1)
    assert found["p"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    assert found["equivalent"] is True and found["within_spread"] is True
    one_sided = stats.ttest_rel(ours, [t + 0.1 for t in theirs], alternative="less").pvalue
    other_side = stats.ttest_rel(ours, [t - 0.1 for t in theirs], alternative="greater").pvalue
    assert max(one_sided, other_side) < 0.05  # both tests of the pair reject, as "equivalent" says


@pytest.mark.parametrize("shift", [0.09, 0.2])
def test_equality_is_not_concluded_from_overlap(shift: float) -> None:
    theirs = [1.0, 1.3, 1.6]
    ours = [t + shift + e for t, e in zip(theirs, (-0.02, 0.0, 0.02), strict=True)]
    found = paired(ours, theirs, 0.1)
    assert found["equivalent"] is False and found["within_spread"] is True


def test_no_difference_at_all_is_equivalent() -> None:
    found = paired([1.0, 2.0], [1.0, 2.0], 0.01)
    assert (found["difference"], found["p"], found["equivalent"]) == (0.0, 1.0, True)
    assert paired([1.5, 2.5], [1.0, 2.0], 0.01)["p"] == 0.0
