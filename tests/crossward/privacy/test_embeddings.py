"""Noised embeddings keep the promised epsilon, also when they are sent several times; too little noise is found out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from crossward.privacy.accounting import RDP, Spent
from crossward.privacy.embeddings import Bottom, EmbeddingNoise, Relation, clip_rows

DELTA = 1e-5


def test_rows_are_cut_to_the_clip_and_what_is_not_finite_becomes_zero() -> None:
    rows = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [np.nan, 1.0], [np.inf, 0.0]])
    assert np.allclose(clip_rows(rows, 1.0), np.array([[0.6, 0.8], [0.3, 0.4], *[[0.0, 0.0]] * 3]))


def test_a_release_is_the_clipped_rows_plus_noise_of_the_stated_deviation() -> None:
    noise = EmbeddingNoise(0.5, 2.0)
    found = noise(np.array([[3.0, 4.0]]), lambda count: np.arange(1.0, count + 1))
    assert noise.deviation == 2.0 * 2 * 0.5
    assert found.dtype == np.float32 and np.allclose(found, [[0.3 + 2.0, 0.4 + 4.0]])
    assert EmbeddingNoise(0.5, 2.0, Relation.ZEROED).deviation == 1.0
    sent = noise(np.zeros((200, 50)))
    assert abs(sent.std() - 2.0) < 0.08 and abs(sent.mean()) < 0.08  # four standard errors
    assert not np.array_equal(sent, noise(np.zeros((200, 50))))


def test_calibrated_noise_spends_the_budget_and_hardly_less() -> None:
    releases, budget = 3, 2.0
    noise = EmbeddingNoise.calibrated(1.0, budget, DELTA, releases)
    spent = noise.epsilon(releases, DELTA)
    assert 0.97 * budget < spent <= budget
    assert noise.epsilon(releases + 1, DELTA) > budget
    # the Gaussian mechanism exactly (arXiv 1805.06530, theorem 8), R releases being one with sqrt(R) less noise
    mu = math.sqrt(releases) / noise.noise_multiplier
    exact = norm.cdf(mu / 2 - spent / mu) - math.exp(spent) * norm.cdf(-mu / 2 - spent / mu)
    assert 0.8 * DELTA < exact <= DELTA


def advantage(noise: EmbeddingNoise, deviation: float, releases: int, epsilon: float) -> float:
    """What the best attacker exceeds epsilon by: max over thresholds of TPR - e^epsilon FPR, exact.

    It averages all releases along the line between two embeddings, C and -C, that a patient may have.
    """
    mu = 2 * noise.clip * math.sqrt(releases) / deviation
    thresholds = np.linspace(-10, 30, 20001)
    return float((norm.sf(thresholds - mu) - math.exp(epsilon) * norm.sf(thresholds)).max())


def test_the_best_attacker_stays_below_delta_and_noise_for_half_the_sensitivity_does_not_hold() -> None:
    noise = EmbeddingNoise.calibrated(1.0, 2.0, DELTA, 3)
    assert advantage(noise, noise.deviation, 3, 2.0) <= DELTA
    assert advantage(noise, noise.deviation / 2, 3, 2.0) > 100 * DELTA  # control: C instead of 2C
    assert advantage(noise, noise.deviation * math.sqrt(1 / 3), 3, 2.0) > 100 * DELTA  # control: not composed


def test_averaged_releases_are_nearer_to_the_embedding_as_composition_says() -> None:
    noise = EmbeddingNoise(1.0, 0.5)
    rows = clip_rows(np.random.default_rng(0).normal(size=(300, 16)), 1.0)
    once = noise(rows)
    often = np.mean([noise(rows) for _ in range(16)], axis=0)
    ratio = np.abs(once - rows).mean() / np.abs(often - rows).mean()
    assert 3.6 < ratio < 4.4
    assert noise.epsilon(16, DELTA) > 3 * noise.epsilon(1, DELTA)


def test_a_bottom_model_trained_with_noise_is_composed_and_one_trained_without_is_reported() -> None:
    zeroed = EmbeddingNoise(1.0, 8.0, Relation.ZEROED)
    steps = [Spent(0.1, 2.0, 50)]
    assert zeroed.epsilon(1, DELTA, steps, RDP) > zeroed.epsilon(1, DELTA, accountant=RDP)
    with pytest.raises(ValueError, match="noise embeddings under that relation as well"):
        EmbeddingNoise(1.0, 8.0).epsilon(1, DELTA, steps)
    assert "given the bottom model" in zeroed.covers(Bottom.TRAINED)
    assert "given" not in zeroed.covers(Bottom.PRIVATE) and "not that it is a patient of both" in zeroed.covers(
        Bottom.FIXED
    )


def test_bad_settings_are_refused() -> None:
    for make in (
        lambda: EmbeddingNoise(0.0, 1.0),
        lambda: EmbeddingNoise(1.0, 0.0),
        lambda: EmbeddingNoise.calibrated(1.0, 0.0, DELTA, 1),
        lambda: EmbeddingNoise.calibrated(1.0, 1.0, DELTA, 0),
        lambda: clip_rows([1.0], 1.0),
        lambda: clip_rows([[1.0]], math.nan),
    ):
        with pytest.raises(ValueError, match=r"above 0|at least|expected a row"):
            make()
