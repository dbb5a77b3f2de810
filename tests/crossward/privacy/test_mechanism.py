"""What is clipped, how far the sum can move, and how much noise there is: counted, not believed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from crossward.privacy.clipping import ClippedSum, micro_batches
from crossward.privacy.mechanism import GaussianMean
from crossward.privacy.noise import SECRET, secret_normals

SHAPES = [(2, 3), (4,)]


def rows(count: int, seed: int = 0, size: float = 1.0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [size * torch.randn(count, *shape, generator=generator) for shape in SHAPES]


def flat(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([part.flatten() for part in parts])


def summed(gradients: list[torch.Tensor], groups: list[int], clip: float, cuts: list[int]) -> torch.Tensor:
    """The clipped sum, given in passes that end at ``cuts``."""
    out = ClippedSum([torch.zeros(shape) for shape in SHAPES], clip)
    start = 0
    for end in [*cuts, len(groups)]:
        ends = end == len(groups) or groups[end] != groups[end - 1]
        out.add([g[start:end] for g in gradients], [g - groups[start] for g in groups[start:end]], ends)
        start = end
    return flat(out.total)


def reference(gradients: list[torch.Tensor], groups: list[int], clip: float) -> torch.Tensor:
    total = torch.zeros(10)
    for group in sorted(set(groups)):
        mine = flat([g[[i for i, of in enumerate(groups) if of == group]].sum(0) for g in gradients])
        total += mine * min(1.0, clip / float(mine.norm()))
    return total


@pytest.mark.parametrize("cuts", [[], [1], [2, 4], [1, 2, 3, 4, 5], [3]])
def test_a_group_is_clipped_as_one_however_its_rows_come(cuts: list[int]) -> None:
    gradients, groups = rows(6), [0, 0, 1, 2, 2, 2]
    for clip in (0.7, 100.0):
        expected = reference(gradients, groups, clip)
        assert torch.allclose(summed(gradients, groups, clip, cuts), expected, atol=1e-5)


def test_no_group_adds_more_than_the_clip_and_what_is_not_finite_nothing() -> None:
    for size in (1e-3, 1.0, 1e6, 1e18):
        one = summed(rows(1, size=size), [0], 0.5, [])
        assert float(one.double().norm()) <= 0.5
    assert float(summed(rows(1, size=1e18), [0], 0.5, []).norm()) == pytest.approx(0.5, rel=1e-5)
    broken = rows(3)
    broken[1][1, 2] = float("nan")
    sound = [g[[0, 2]] for g in broken]
    assert torch.equal(summed(broken, [0, 1, 2], 0.5, []), summed(sound, [0, 1], 0.5, []))
    broken[1][1, 2] = float("inf")
    assert torch.equal(summed(broken, [0, 1, 2], 0.5, []), summed(sound, [0, 1], 0.5, []))


def test_a_micro_batch_moves_by_up_to_twice_the_clip_and_its_noise_is_doubled() -> None:
    """One example turns its group's clipped mean around: 2C, and no further; alone in a group it adds C."""
    big, small = torch.zeros(1, 4), torch.zeros(1, 4)
    big[0, 0], small[0, 0] = -1e4, 1.0
    gradients = [torch.zeros(2, 2, 3), torch.cat([small, big])]
    without = summed([g[:1] for g in gradients], [0], 1.0, [])
    turned = summed([g / 2 for g in gradients], [0, 0], 1.0, [])
    assert float((turned - without).norm()) == pytest.approx(2.0, rel=1e-4)
    grouped, single = GaussianMean(1.0, 1.5, 16, 4), GaussianMean(1.0, 1.5, 16)
    assert (grouped.sensitivity, single.sensitivity) == (2.0, 1.0) and (grouped.groups, single.groups) == (4, 16)
    # the price on the mean: 2m times the noise for the same epsilon (arXiv 2303.00654, Section 5.6)
    assert (grouped.deviation / grouped.groups) / (single.deviation / single.groups) == 8.0


def test_micro_batches_put_each_unit_in_one_of_the_groups_whatever_the_others_are() -> None:
    units = [np.array([i]) for i in range(10)]
    places = np.zeros((10, 4))
    for seed in range(400):
        made = micro_batches(units, 4, np.random.default_rng(seed))
        assert sorted(np.concatenate(made).tolist()) == list(range(10))
        again = micro_batches(units[:9], 4, np.random.default_rng(seed))  # the tenth stays away: nobody else moves
        stripped = [g[g != 9].tolist() for g in made]
        assert [g.tolist() for g in again] == [g for g in stripped if g]
        generator = np.random.default_rng(seed)
        for unit, place in enumerate(generator.integers(4, size=10)):
            places[unit, place] += 1
    assert stats.chisquare(places.ravel()).pvalue > 0.001
    assert micro_batches([], 4, np.random.default_rng(0)) == []


def test_noise_is_added_once_and_divided_by_what_is_expected() -> None:
    mechanism, total = GaussianMean(0.5, 3.0, 8), torch.arange(20000.0) / 20000
    noised = mechanism(total, np.random.default_rng(1).standard_normal)
    deviation = float((noised * 8 - total).double().std())
    assert deviation == pytest.approx(0.5 * 3.0, rel=0.02)
    assert torch.equal(mechanism(total, np.zeros), total / 8)
    assert noised.dtype == torch.float32


def test_secret_normals_are_normal_independent_and_never_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:  # known bytes, so that the statistics are the same each time
        patch.setattr("crossward.privacy.noise.secrets.token_bytes", np.random.default_rng(4).bytes)
        drawn = secret_normals(200_000)
    assert stats.kstest(drawn, "norm").pvalue > 1e-4
    assert abs(float(np.corrcoef(drawn[:-1], drawn[1:])[0, 1])) < 5 / np.sqrt(len(drawn))
    assert stats.kurtosis(drawn) == pytest.approx(0.0, abs=0.06)
    assert len(np.unique(np.concatenate([drawn, secret_normals(2000), secret_normals(2000)]))) > 203_990
    assert SECRET.seed() != SECRET.seed()
