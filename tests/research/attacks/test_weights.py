"""Priors of one's own update, and weights read off the residues of a sum."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from research.attacks.separation import NOTHING, Noise, dithered, drawn
from research.attacks.weights import (
    DECISIVE,
    Spectrum,
    block_priors,
    candidates,
    infer,
    infer_all,
    likelihoods,
    prior,
    widened,
    widths,
)

Q_MAX = 127


def values(rng: np.random.Generator, count: int = 30_000, spread: float = 26.0) -> np.ndarray:
    """Integers spread as a first version's, of which a tenth did not change."""
    found = np.rint(rng.normal(0.0, spread, count)) * (rng.random(count) > 0.1)
    return np.clip(found, -Q_MAX, Q_MAX).astype(np.int64)


def test_a_prior_is_a_symmetric_distribution_that_keeps_what_stands_apart() -> None:
    own = np.concatenate([np.zeros(500), np.full(300, 127), np.full(200, -3)]).astype(np.int64)
    found = prior(own, Q_MAX)
    assert found.sum() == pytest.approx(1.0) and found.min() > 0.0
    np.testing.assert_allclose(found, found[::-1])
    assert found[Q_MAX] == pytest.approx(0.5, abs=0.02)  # zero, not its neighbours
    assert found[-1] == pytest.approx(0.15, abs=0.01)
    assert found[Q_MAX + 3] == pytest.approx(found[Q_MAX + 5])
    assert found[Q_MAX + 5] > 10 * found[Q_MAX + 6]  # averaged over neighbours


def test_a_small_block_leans_on_the_whole_update_and_a_large_one_on_itself() -> None:
    rng = np.random.default_rng(0)
    wide, narrow = values(rng, 40_000, 40.0), values(rng, 100, 5.0)
    large, small = block_priors(np.concatenate([wide, narrow]), (40_000, 100), Q_MAX)
    whole = prior(np.concatenate([wide, narrow]), Q_MAX)
    assert np.abs(large - whole).sum() < 0.01 < np.abs(small - whole).sum()
    spread = np.arange(-Q_MAX, Q_MAX + 1)
    assert 5.0 < np.sqrt(small @ spread**2) < np.sqrt(large @ spread**2) < 42.0


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.7])
def test_a_widened_prior_is_spread_as_much_wider(factor: float) -> None:
    own = prior(values(np.random.default_rng(1), spread=20.0), Q_MAX)
    found = widened(own, factor)
    spread = np.arange(-Q_MAX, Q_MAX + 1)
    assert found.sum() == pytest.approx(1.0) and found.min() > 0.0
    assert np.sqrt(found @ spread**2) / np.sqrt(own @ spread**2) == pytest.approx(factor, rel=0.03)


def test_a_spectrum_gives_the_distribution_of_a_sum() -> None:
    own = np.array([0.2, 0.5, 0.3])
    spectrum = Spectrum(own, 6, Noise(0, np.array([0.25, 0.75])))
    expected = np.zeros(spectrum.size)
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            for e, share in ((0, 0.25), (1, 0.75)):
                expected[(2 * a + 3 * b + e) % spectrum.size] += own[a + 1] * own[b + 1] * share
    np.testing.assert_allclose(spectrum.distribution((2, 3)), expected, atol=1e-12)
    assert spectrum.counts(np.array([-1, -1, 5]))[[-1, 5]].tolist() == [2.0, 1.0]


def test_every_choice_of_weights_is_tried_once() -> None:
    assert list(candidates(9, 2, 6)) == [(3, 6), (4, 5)]
    found = list(candidates(20, 3, 9))
    every = {tuple(sorted(w)) for w in itertools.product(range(1, 10), repeat=3) if sum(w) == 20}
    assert set(found) == every and len(found) == len(every)


def test_windows_without_structure_are_likely_as_nothing() -> None:
    counts, flat = np.arange(1.0, 65.0), np.full(64, 1 / 64)
    fine, whole = likelihoods(counts, flat, 16)
    assert fine == pytest.approx(0.0, abs=1e-9) and whole == pytest.approx(-counts.sum() * np.log(64))


@pytest.mark.parametrize("weights", [(25, 58), (45, 58), (42, 43)])
def test_weights_are_read_off_an_exact_sum_also_with_ones_own(weights: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    own, first, second = (values(rng) for _ in range(3))
    mine, sums = 128 - sum(weights), weights[0] * first + weights[1] * second
    total = sum(weights)
    assert infer(sums, prior(own, Q_MAX), total, 2, 58, 128, NOTHING) == weights
    opened = sums + mine * own
    assert infer_all(opened, own, prior(own, Q_MAX), 128, 3, 58, 128, NOTHING) == (mine, *weights)


def test_residues_show_weights_also_where_others_are_spread_otherwise() -> None:
    rng = np.random.default_rng(3)
    own, first, second = values(rng), values(rng, spread=34.0), values(rng, spread=20.0)
    assert infer(25 * first + 58 * second, prior(own, Q_MAX), 83, 2, 58, 128, NOTHING) == (25, 58)


def test_a_dither_leaves_no_residues() -> None:
    """A sum's own distribution is as likely blurred as not, and weights are guessed from its spread."""
    rng = np.random.default_rng(4)
    own, first, second = (values(rng) for _ in range(3))
    known, exact = prior(own, Q_MAX), 25 * first + 58 * second
    for noise, reported in ((NOTHING, True), (dithered(128), False)):
        sums, blurred = exact + drawn(noise, len(own), rng), noise + dithered(128)
        sharp, dull = (Spectrum(known, Q_MAX * 83 + 63, n) for n in (noise, blurred))
        counts = sharp.counts(sums)
        apart = [likelihoods(counts, s.distribution((25, 58)), 128)[0] for s in (sharp, dull)]
        assert (apart[0] > apart[1] + 1000.0) if reported else (apart[0] < apart[1] + DECISIVE)
    sums = exact + drawn(dithered(128), len(own), rng)
    spread = (np.var(exact) / np.var(own)) ** 0.5  # of the squares of the weights
    found = infer(sums, known, 83, 2, 58, 128, dithered(128))
    assert sum(found) == 83 and np.hypot(*found) == pytest.approx(spread, rel=0.03)


def test_impossible_weights_are_an_error() -> None:
    own = values(np.random.default_rng(5), 100)
    with pytest.raises(ValueError, match="no 2 weights of at most 5 sum to 83"):
        infer(own, prior(own, Q_MAX), 83, 2, 5, 128, NOTHING)


def test_widths_follow_the_sum_and_tell_the_terms_apart_where_residues_do() -> None:
    rng = np.random.default_rng(6)
    own, first, second = values(rng), values(rng, spread=26.0), values(rng, spread=15.6)
    known = prior(own, Q_MAX)
    assert widths(25 * values(rng) + 58 * values(rng), known, (25, 58), 128, NOTHING) == (1.0, 1.0)
    wide = [values(rng, spread=44.2) for _ in range(3)]
    three = sum(w * v for w, v in zip((22, 39, 55), wide, strict=True))
    assert widths(three, known, (22, 39, 55), 128, NOTHING) == (1.7,) * 3
    assert widths(45 * first + 58 * second, known, (45, 58), 128, NOTHING) == (1.0, 0.6)
    noise = dithered(128)
    sums = 45 * first + 58 * second + drawn(noise, len(own), rng)
    assert len(set(widths(sums, known, (45, 58), 128, noise))) == 1  # no residues say which
