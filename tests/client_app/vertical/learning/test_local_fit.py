"""A fit moves patients by what their features say, and not at all where they say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from client_app.vertical.learning.bottoms.local_fit import local_fit

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(200, 6)) * [1, 10, 0.1, 1, 1, 0] + [0, 5, 0, 0, 0, 3]
TRUE = np.array([[1, 0], [0, 0.1], [0, 0], [-1, 0], [0, 0], [0, 0]], float)


def test_a_linear_move_is_found_also_for_patients_it_was_not_fitted_to() -> None:
    wanted = FEATURES @ TRUE + 2.0
    found = local_fit(FEATURES[:150], wanted[:150], seed=0)
    assert found.explained > 0.95
    assert FEATURES[150:] @ found.weight + found.bias == pytest.approx(wanted[150:], abs=0.6)
    assert np.allclose(found.left_out, wanted[:150], atol=0.8)


def test_moves_that_no_feature_tells_are_not_followed() -> None:
    noise = RNG.normal(size=(200, 2))
    found = local_fit(FEATURES, noise, seed=0)
    assert found.explained < 0.05 and np.abs(FEATURES @ found.weight + found.bias).mean() < 0.3


def test_a_patients_own_target_does_not_move_it() -> None:
    wanted = FEATURES @ TRUE
    other = wanted.copy()
    other[7] += 100.0
    penalties_alike = local_fit(FEATURES, wanted, seed=0).left_out[7], local_fit(FEATURES, other, seed=0).left_out[7]
    assert np.abs(penalties_alike[0] - penalties_alike[1]).max() < 1.0
    moved = local_fit(FEATURES, other, seed=0).left_out
    assert np.abs(moved - local_fit(FEATURES, wanted, seed=0).left_out).max() > 1.0  # others do


def test_a_handful_of_targets_moves_nothing() -> None:
    found = local_fit(FEATURES[:9], np.ones((9, 2)), seed=0)
    assert found.explained == 0.0 and not found.weight.any() and found.left_out.shape == (9, 2)
