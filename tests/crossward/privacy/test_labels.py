"""Randomised response keeps the odds that epsilon promises, and nothing but 0 and 1 is taken."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from crossward.privacy.labels import RandomisedResponse, secret_uniforms


def test_the_odds_of_either_answer_are_e_to_the_epsilon() -> None:
    made = RandomisedResponse(1.5)
    assert made.kept / (1 - made.kept) == pytest.approx(math.exp(1.5))
    labels = np.repeat([0, 1], 5000)
    given = made(labels)
    for label in (0, 1):
        kept = int((given[labels == label] == label).sum())
        assert binomtest(kept, 5000, made.kept).pvalue > 1e-6
    assert not np.array_equal(given, made(labels))
    assert np.array_equal(made([0, 1, 1], lambda count: np.array([0.99, 0.99, 0.0])), [1, 0, 1])


def test_uniforms_are_in_range_and_bad_input_is_refused() -> None:
    drawn = secret_uniforms(20_000)
    assert 0 <= drawn.min() < 0.01 and 0.99 < drawn.max() < 1 and abs(drawn.mean() - 0.5) < 0.02
    for epsilon in (0.0, -1.0, math.nan, 31.0):
        with pytest.raises(ValueError, match="label epsilon"):
            RandomisedResponse(epsilon)
    for labels in ([0, 2], [0.5], [[0, 1]]):
        with pytest.raises(ValueError, match="0 or 1, one a patient"):
            RandomisedResponse(1.0)(labels)
