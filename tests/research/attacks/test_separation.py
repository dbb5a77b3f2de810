"""Posteriors of weighted sums against every combination written out, and noises against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from research.attacks.separation import (
    NOTHING,
    Noise,
    dithered,
    drawn,
    entropy,
    rounded,
    separate,
    uniform,
    within_steps,
)

REACH = 3  # q_max of the small cases
VALUES = np.arange(-REACH, REACH + 1)


def skewed(rng: np.random.Generator) -> np.ndarray:
    found = rng.random(2 * REACH + 1) + 0.05
    return found / found.sum()


def written_out(
    total: int, weights: tuple[int, ...], priors: list[np.ndarray], noise: Noise
) -> tuple[np.ndarray, float]:
    """Each term's posterior, [u, values], and the probability of the likeliest terms, by trying everything."""
    posterior, best = np.zeros((len(weights), len(VALUES))), 0.0
    for at in itertools.product(range(len(VALUES)), repeat=len(weights)):
        off = total - sum(w * VALUES[k] for w, k in zip(weights, at, strict=True))
        if noise.first <= off <= noise.last:
            chance = float(np.prod([p[k] for p, k in zip(priors, at, strict=True)])) * noise.shares[off - noise.first]
            best = max(best, chance)
            for term, k in enumerate(at):
                posterior[term, k] += chance
    return posterior / posterior.sum(1, keepdims=True), best


@pytest.mark.parametrize("weights", [(3, 5), (2, 4), (4, 4), (2, 3, 5)])
@pytest.mark.parametrize("noise", [NOTHING, dithered(16), Noise(-1, np.array([0.5, 0.2, 0.3]))])
def test_posteriors_are_those_of_every_combination_written_out(weights: tuple[int, ...], noise: Noise) -> None:
    rng = np.random.default_rng(0)
    priors = [skewed(rng) for _ in weights]
    truth = np.stack([rng.choice(VALUES, 40, p=prior) for prior in priors])
    sums = np.array(weights) @ truth + drawn(noise, 40, rng)
    found = separate(sums, weights, priors, noise, truth)
    for number, total in enumerate(sums):
        posterior, best = written_out(int(total), weights, priors, noise)
        expected = [entropy(row) for row in posterior]
        np.testing.assert_allclose(found.entropy[:, number], expected, atol=1e-9)
        true = posterior[np.arange(len(weights)), truth[:, number] + REACH]
        np.testing.assert_allclose(found.chance[:, number], true, atol=1e-9)
        terms = found.terms[:, number]
        off = int(total - np.array(weights) @ terms)
        reached = np.prod([p[q + REACH] for p, q in zip(priors, terms, strict=True)])
        assert reached * noise.shares[off - noise.first] == pytest.approx(best)  # as likely as any, if not the only


def test_a_sum_with_one_solution_is_opened_and_one_with_none_says_nothing() -> None:
    prior = np.full(2 * REACH + 1, 1 / 7)
    opened = separate(np.array([1 * 2 + 7 * -3]), (1, 7), [prior, prior])
    assert opened.terms.tolist() == [[2], [-3]] and np.abs(opened.entropy).max() < 1e-9
    nothing = separate(np.array([1]), (2, 4), [prior, prior])  # an odd sum of even terms
    np.testing.assert_allclose(nothing.entropy, np.log2(7))


def test_more_sums_than_are_in_memory_at_once_are_separated_alike() -> None:
    rng = np.random.default_rng(1)
    priors = [skewed(rng), skewed(rng)]
    sums = rng.integers(-20, 21, 5000)
    whole, part = separate(sums, (3, 5), priors), separate(sums[4990:], (3, 5), priors)
    assert np.array_equal(whole.terms[:, 4990:], part.terms) and np.allclose(whole.entropy[:, 4990:], part.entropy)


def test_noises_are_what_they_are_said_to_be() -> None:
    dither = dithered(16)
    assert (dither.first, dither.last) == (-7, 7) and np.allclose(dither.shares, 1 / 15)
    assert abs(np.arange(-7, 8) @ dither.shares) < 1e-12  # its mean is out
    steps = within_steps((2, 3))
    assert (steps.first, steps.last) == (-1, 2) and np.allclose(steps.shares, np.array([1, 2, 2, 1]) / 6)
    made = drawn(uniform(-2, 5), 4000, np.random.default_rng(2))
    assert set(made.tolist()) == set(range(-2, 6))


def test_a_rounded_sum_lies_within_its_noise_of_the_exact_one() -> None:
    sums = np.arange(-100, 101)
    steps, noise = rounded(sums, 16)
    assert np.all(steps % 16 == 0)
    assert (steps - sums).min() == noise.first and (steps - sums).max() == noise.last


def test_equal_weights_open_less_than_weights_that_differ_by_one() -> None:
    rng = np.random.default_rng(3)
    prior = np.full(255, 1 / 255)
    truth = rng.integers(-127, 128, (2, 2000))
    left = {w: separate(np.array(w) @ truth, w, [prior, prior]).entropy.mean() for w in ((43, 43), (42, 43))}
    assert left[42, 43] < 3.0 < 6.0 < left[43, 43]
