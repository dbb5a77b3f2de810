"""What leaves a node in the clear: a coarse loss, no count where none is needed, no measure of too few patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from client_app.training.trained import Trained
from client_app.update.reporting import Reporting
from crossward.protocol.measures import Measure

TRAINED = Trained(np.zeros(2, np.float32), 40, 100, 130.0, 5)
LOSSES = {"base": 400.0, "global": 200.0, "own": 300.0, "personal": 150.0}
FOUND = {name: Measure(9, 100, loss, 50) for name, loss in LOSSES.items()}


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", "crossward.node")
    return caplog


def test_a_training_is_reported_with_a_rough_count_or_none_and_with_a_coarse_loss() -> None:
    assert Reporting().training(TRAINED) == (replace(TRAINED, num_examples=32), 0.0)
    told, noise = Reporting(counts=False, loss_grid=1.5).training(TRAINED)
    assert noise == 0.0
    assert (told.num_examples, told.num_tokens, told.steps) == (1, 100, 5)
    assert told.loss_sum == pytest.approx(150.0)


@pytest.mark.parametrize(("fewest", "reported"), [(0, FOUND), (9, FOUND), (10, {})])
def test_measures_of_too_few_patients_stay_in_the_log(
    fewest: int, reported: dict[str, Measure], log: pytest.LogCaptureFixture
) -> None:
    assert Reporting(fewest_held_out=fewest).measures(FOUND, 7) == reported
    assert ("held-out loss 2.0000 at version 7" in log.text) is bool(reported)
    assert ("the held-out loss is 2.0000; it is of 9 patients" in log.text) is not bool(reported)


def test_under_a_budget_the_measures_of_adapters_trained_without_noise_stay_in_the_log(
    log: pytest.LogCaptureFixture,
) -> None:
    assert sorted(Reporting().measures(FOUND, 7, "patient")) == ["base", "global"]
    assert "alone 3.0000, personal 1.5000 (global: 2.0000); with privacy.unit = 'patient'" in log.text
    assert sorted(FOUND) == ["base", "global", "own", "personal"]
    assert Reporting(fewest_held_out=10).measures(FOUND, 7, "patient") == {}
    assert log.text.count("trained here without noise") == 1
