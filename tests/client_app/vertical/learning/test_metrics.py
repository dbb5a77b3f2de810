"""AUROC, AUPRC, Brier score, calibration error and Platt scaling are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from client_app.vertical.learning.calibration import Platt, platt
from client_app.vertical.learning.metrics import calibration_error, metrics

RNG = np.random.default_rng(0)
CHANCE = RNG.random(2000)
LABELS = (RNG.random(2000) < CHANCE).astype(np.int64)


def test_figures_of_a_few_patients_are_those_of_a_count_by_hand() -> None:
    found = metrics(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.5, 0.9]), draws=50)
    assert found.auroc == pytest.approx(0.75)  # 3 of 4 pairs in order
    assert found.auprc == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found.brier == pytest.approx((0.01 + 0.36 + 0.25 + 0.01) / 4)
    assert (found.patients, found.positive) == (4, 2) and found.row()["patients"] == 4


def test_intervals_hold_the_figure_and_narrow_with_more_patients() -> None:
    many, few = metrics(LABELS, CHANCE, draws=25), metrics(LABELS[:100], CHANCE[:100], draws=25)
    for found in (many, few):
        assert found.auroc_interval and found.auroc
        assert found.auroc_interval[0] < found.auroc < found.auroc_interval[1]
    assert np.diff(many.auroc_interval or ()) < 0.6 * np.diff(few.auroc_interval or ())
    assert metrics(LABELS[:100], CHANCE[:100], draws=25) == few


def test_of_one_class_or_of_nobody_there_is_no_area() -> None:
    one = metrics(np.ones(3, int), np.array([0.2, 0.5, 0.9]))
    assert one.auroc is None and one.auprc_interval is None and one.brier is not None
    assert metrics(np.zeros(0, int), np.zeros(0)).brier is None


def test_a_calibration_error_is_near_nothing_where_chances_are_true_and_as_large_as_they_are_off() -> None:
    assert calibration_error(LABELS, CHANCE) < 0.04
    assert calibration_error(LABELS, np.clip(CHANCE + 0.2, 0, 1)) == pytest.approx(0.18, abs=0.03)


def test_scaling_finds_the_slope_and_intercept_that_logits_were_spoilt_with() -> None:
    logits = np.log(CHANCE / (1 - CHANCE))
    found = platt(3 * logits + 2, LABELS.astype(np.float64))
    assert found.slope == pytest.approx(1 / 3, rel=0.1) and found.intercept == pytest.approx(-2 / 3, abs=0.12)
    assert calibration_error(LABELS, found(3 * logits + 2)) < 0.05


def test_scaling_on_one_class_changes_nothing_and_on_separated_patients_stays_finite() -> None:
    assert platt(np.array([1.0, 2.0]), np.ones(2)) == Platt()
    assert platt(np.zeros(0), np.zeros(0)) == Platt()
    sure = platt(np.array([-5.0, -4.0, 4.0, 5.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    assert 0.6 < sure(np.array([5.0]))[0] < 0.99
    assert platt(np.array([-5.0, -4.0, 4.0, 5.0]), np.array([1.0, 1.0, 0.0, 0.0])).slope == 0.0
