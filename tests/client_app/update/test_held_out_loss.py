"""The reported held-out loss follows the true one within its noise, and a run's reports cost no more than they say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from client_app.training.trained import Trained
from client_app.update.held_out_loss import (
    DELTA,
    EPSILON,
    FIRST_COST,
    FIRST_RANGE,
    WIDTH,
    HeldOutReports,
    multiplier,
    seeded_normal,
)
from client_app.update.reporting import Reporting
from crossward.privacy.accounting import Spent, epsilon

VERSIONS = 24


def reports(path: Path, seed: int = 0) -> HeldOutReports:
    return HeldOutReports(path / "reports.json", seeded_normal(seed, 0), durable=False)


def falling(version: int, patients: int) -> list[float]:
    spread = np.linspace(-0.9, 0.9, patients)
    return list(2.4 + 1.8 * math.exp(-version / 6) + spread)


@pytest.mark.parametrize("versions", [1, 24, 500])
def test_a_runs_reports_cost_the_epsilon_that_is_stated(versions: int) -> None:
    noise = multiplier(versions)
    spent = [Spent(1.0, noise / math.sqrt(FIRST_COST), 1), Spent(1.0, noise, versions - 1)]
    assert 0.97 * EPSILON < epsilon(spent, DELTA) <= EPSILON


def test_the_noise_is_that_of_the_accounting(tmp_path: Path) -> None:
    """One patient moves a mean by at most half the range over their number: noise is a multiple of that."""
    drawn = HeldOutReports(tmp_path / "a.json", lambda version: 1.0, durable=False)
    first = drawn.report([3.0] * 40, 0, VERSIONS)
    assert first is not None
    half = (FIRST_RANGE[1] - FIRST_RANGE[0]) / 2
    assert first.value == pytest.approx(3.0 + half / 40 * multiplier(VERSIONS) / math.sqrt(FIRST_COST))
    assert first.noise == pytest.approx(first.value - 3.0)
    second = drawn.report([first.value + 50.0] * 40, 1, VERSIONS)  # clipped to WIDTH above the estimate
    assert second is not None
    before, noise = first.noise**2 + (3.0 / VERSIONS) ** 2, WIDTH / 40 * multiplier(VERSIONS)
    assert second.value == pytest.approx(first.value + before / (before + noise**2) * (WIDTH + noise))


def test_estimates_follow_a_falling_loss_within_their_noise(tmp_path: Path) -> None:
    off, ends = [], []
    for seed in range(40):
        drawn = HeldOutReports(tmp_path / f"{seed}.json", seeded_normal(seed, 0), durable=False)
        found = [drawn.report(falling(version, 200), version, VERSIONS) for version in range(VERSIONS)]
        assert all(one is not None for one in found)
        off += [(one.value - np.mean(falling(v, 200))) / one.noise for v, one in enumerate(found) if one]
        ends.append([one.value for one in found if one])
    assert abs(np.mean(off)) < 1.0 and 0.5 < np.std(off) < 2.0
    assert min(curve[0] - curve[-1] for curve in ends) > 1.0  # nobody could take it for flat


def test_no_budget_is_spent_twice(tmp_path: Path) -> None:
    losses = falling(0, 30)
    first = reports(tmp_path).report(losses, 0, 3)
    assert reports(tmp_path, seed=9).report(losses, 0, 3) == first  # a node that was killed after writing
    for version in range(1, 9):
        last = reports(tmp_path).report(losses, version, 3)
    assert last is not None and last.version == 2 and last.spent == pytest.approx(1.0)
    longer = reports(tmp_path).report(losses, 9, 300)  # a run that goes on for longer has no new budget
    assert longer == last
    (tmp_path / "reports.json").write_text("{", encoding="utf-8")
    assert reports(tmp_path).report(losses, 9, 300) is None


def test_without_patients_enough_the_rounded_training_loss_is_reported(tmp_path: Path) -> None:
    trained = Trained(np.zeros(2, np.float32), 40, 100, 130.0, 5)
    reporting = Reporting(loss_grid=1.5, held_out=reports(tmp_path))
    told, noise = reporting.training(trained, 0, VERSIONS)
    assert told.loss_sum == pytest.approx(150.0) and noise == 0.0 and not list(tmp_path.iterdir())
    measured = Trained(np.zeros(2, np.float32), 40, 100, 130.0, 5, tuple(falling(0, 30)))
    told, noise = reporting.training(measured, 0, VERSIONS)
    kept = json.loads((tmp_path / "reports.json").read_text(encoding="utf-8"))
    assert told.loss_sum == pytest.approx(100 * kept["value"]) and noise == kept["noise"] > 0.0
