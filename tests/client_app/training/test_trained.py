"""What is told of a training: to a grid, the same way every time, or not at all."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate

from client_app.training.trained import Trained, coarse, rough_count, uncounted, unreported
from crossward.config.schedule import Schedule

VECTOR = np.zeros(2, np.float32)


def trained(mean: float, tokens: int = 1000) -> Trained:
    return Trained(VECTOR, 17, tokens, mean * tokens, 5)


@pytest.mark.parametrize("grid", [1.1, 1.25, 2.0])
def test_a_loss_is_told_to_a_power_of_the_grid(grid: float) -> None:
    for mean in np.geomspace(0.05, 12.0, 40):
        found = coarse(trained(float(mean)), grid)
        reported = found.loss_sum / found.num_tokens
        power = math.log(reported) / math.log(grid)
        assert power == pytest.approx(round(power), abs=1e-9)
        assert 1.0 / math.sqrt(grid) - 1e-9 <= reported / mean <= math.sqrt(grid) + 1e-9
        assert coarse(found, grid).loss_sum == pytest.approx(found.loss_sum)  # rounding again changes nothing
        assert (found.num_examples, found.num_tokens, found.steps) == (17, 1000, 5) and found.vector is VECTOR


def test_losses_near_each_other_are_told_alike() -> None:
    reported = {coarse(trained(mean), 1.25).loss_sum for mean in np.linspace(2.85, 3.35, 20)}
    assert len(reported) == 1


@pytest.mark.parametrize(("mean", "grid"), [(2.7, 1.0), (0.0, 1.25), (float("nan"), 1.25), (-0.1, 1.25)])
def test_what_is_exact_or_no_loss_stays(mean: float, grid: float) -> None:
    before = trained(mean)
    assert coarse(before, grid) is before


@pytest.mark.parametrize(
    ("size", "reported"),
    [(1, 16), (22, 16), (23, 32), (64, 64), (90, 64), (91, 128), (10**4, 8192), (10**6, 1 << 14)],
)
def test_a_size_is_reported_as_the_nearest_power_of_two_within_bounds(size: int, reported: int) -> None:
    exact = replace(trained(2.0), num_examples=size)
    assert rough_count(exact) == replace(exact, num_examples=reported)


def test_counts_and_private_facts_are_constants() -> None:
    assert uncounted(trained(2.0)) == Trained(VECTOR, 1, 1000, 2000.0, 5)
    assert unreported(trained(2.0), Schedule(versions=2, local_steps=7)) == Trained(VECTOR, 1, 1, 0.0, 7)
