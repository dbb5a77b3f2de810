"""Micro-batches with an honest sensitivity, beside what EFLS's optimiser does, which is shown to be wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from crossward.privacy.accounting import epsilon
from crossward.privacy.micro_batches import MicroBatches

CLIP = 1.0


def silent(count: int) -> np.ndarray:
    return np.zeros(count)


def test_groups_are_averaged_then_clipped_then_summed() -> None:
    made = MicroBatches(CLIP, 1.0, batch=4, size=2)
    rows = [[3.0, 0.0], [5.0, 0.0], [0.2, 0.2], [0.2, -0.2]]
    assert np.allclose(made.clipped_sum(rows, [0, 0, 1, 1]), [1.0 + 0.2, 0.0])
    assert np.allclose(made.clipped_sum([*rows, [np.nan, 0.0]], [0, 0, 1, 1, 2]), [1.2, 0.0])
    assert np.allclose(made.clipped_sum(np.zeros((0, 2)), []), [0.0, 0.0])


def worst_change(size: int, seed: int) -> float:
    """Largest change found of the sum when one patient is left out, over random and the worst gradients."""
    rng = np.random.default_rng(seed)
    made, worst = MicroBatches(CLIP, 1.0, batch=6 * size, size=size), 0.0
    for _ in range(200):
        count = int(rng.integers(1, 8 * size))  # as Poisson sampling gives them
        rows = rng.normal(size=(count, 3)) * 10 ** rng.uniform(-1, 1)
        groups = made.assign(count, rng)
        mates = np.flatnonzero(groups == groups[0])
        rows[mates], rows[0] = [2.0, 0.0, 0.0], [-1e6, 0.0, 0.0]  # one outweighs its group
        change = made.clipped_sum(rows, groups) - made.clipped_sum(rows[1:], groups[1:])
        worst = max(worst, float(np.linalg.norm(change)))
    return worst


def test_the_sensitivity_is_2c_and_is_reached_and_c_for_single_patients() -> None:
    for size in (2, 5):
        assert 1.99 * CLIP < worst_change(size, size) <= MicroBatches(CLIP, 1.0, 6 * size, size).sensitivity + 1e-9
    assert 0.99 * CLIP < worst_change(1, 1) <= MicroBatches(CLIP, 1.0, 6, 1).sensitivity + 1e-9 == CLIP + 1e-9


def test_efls_takes_half_of_the_sensitivity_so_its_epsilon_does_not_hold() -> None:
    """Its deviation is clip * multiplier and its accountant is given that multiplier."""
    multiplier, delta = 4.0, 1e-5
    claimed = epsilon([MicroBatches(CLIP, multiplier, 8, 4).spent(1.0, 1)], delta)

    def excess(deviation: float) -> float:  # of the best attacker, between a group's means C and -C
        mu, at = 2 * CLIP / deviation, np.linspace(-10, 20, 20001)
        return float((norm.sf(at - mu) - math.exp(claimed) * norm.sf(at)).max())

    assert excess(multiplier * MicroBatches(CLIP, multiplier, 8, 4).sensitivity) <= delta
    assert excess(multiplier * CLIP) > 50 * delta


def efls_micro_batches(batch: int, wanted: int) -> int:
    """``tf.cond(batch_size % num_microbatches == 0, num_microbatches, batch_size)``."""
    return wanted if batch % wanted == 0 else batch


def test_efls_makes_other_micro_batches_of_a_remainder_and_ours_stay_as_many() -> None:
    assert (efls_micro_batches(64, 16), efls_micro_batches(63, 16)) == (16, 63)
    made = MicroBatches(CLIP, 1.0, batch=63, size=4)
    assert made.groups == 16
    rng = np.random.default_rng(0)
    for sampled in (0, 1, 62, 63, 64, 90):
        groups = made.assign(sampled, rng)
        assert len(groups) == sampled and (groups < 16).all()
        noised = made(np.zeros((sampled, 2)), rng, lambda count: np.ones(count))
        assert np.allclose(noised, 2 * CLIP / 16)  # the same noise and the same divisor, whoever was sampled


def test_efls_noise_without_a_clip_norm_is_a_multiple_of_each_value_and_hides_neither_zeros_nor_signs() -> None:
    rng = np.random.default_rng(1)
    gradient = np.where(rng.random(4000) < 0.5, 0.0, rng.normal(size=4000))
    efls = gradient + rng.normal(size=4000) * gradient * 1.0
    assert np.array_equal(efls == 0.0, gradient == 0.0)
    held = gradient != 0
    assert np.mean(np.sign(efls[held]) == np.sign(gradient[held])) > 0.8  # Phi(1) = 0.84
    # ours at the same multiplier: neither, and without a clip norm nothing at all
    ours = MicroBatches(CLIP, 1.0, 1, 1)((gradient / 50)[None, :], rng)
    assert not (ours == 0.0).any()
    assert abs(np.mean(np.sign(ours[held]) == np.sign(gradient[held])) - 0.5) < 0.05
    with pytest.raises(ValueError, match="noise hides what is bounded"):
        MicroBatches(math.inf, 1.0, 8, 4)


def test_no_noise_is_refused_where_efls_has_none_by_default() -> None:
    with pytest.raises(ValueError, match="noise multiplier of 0"):
        MicroBatches(CLIP, 0.0, 8, 4)
    with pytest.raises(ValueError, match="expected 1 to the batch"):
        MicroBatches(CLIP, 1.0, 8, 9)
    with pytest.raises(ValueError, match="expected a row a patient"):
        MicroBatches(CLIP, 1.0, 8, 4).clipped_sum([[1.0]], [0, 1])


def test_averaging_first_clips_less() -> None:
    """What it buys: the mean of ten gradients in any direction survives whole where each alone is cut."""
    rng = np.random.default_rng(2)
    rows = 0.5 + 2.0 * rng.normal(size=(400, 20))
    true = rows.mean(axis=0)
    alone = MicroBatches(CLIP * 3, 1.0, 400, 1)(rows, rng, silent)
    together = MicroBatches(CLIP * 3, 1.0, 400, 10)(rows, rng, silent)
    assert np.linalg.norm(together - true) < 0.6 * np.linalg.norm(alone - true)
