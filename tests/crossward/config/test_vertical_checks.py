"""A vertical run with settings of horizontal ones is refused, and not run as if they did something."""

from __future__ import annotations

from typing import Any

import pytest

from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError


@pytest.mark.parametrize("scenario", ["vertical", "transfer"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"privacy.unit": "patient", "privacy.epsilon": 4.0}, "privacy.unit = 'patient' .* vertical.epsilon"),
        ({"encryption.policy": "none"}, "encryption.policy = 'none' .* leave it at 'all'"),
        ({"run.profile": True}, "run.profile = true .* remove one"),
        ({"strategy.name": "fedavg"}, "strategy.name = 'fedavg' .* remove it"),
        ({"run.callbacks": "module:Class"}, "run.callbacks = 'module:Class' .* remove it"),
    ],
)
def test_settings_of_horizontal_runs(scenario: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        RunConfig.read({"run.scenario": scenario} | values)
    RunConfig.read(values)


def test_settings_that_both_have() -> None:
    shared = {"strategy.task-timeout": 60.0, "privacy.delta": 1e-6, "model.device": "cpu", "run.seed": 4}
    assert RunConfig.read({"run.scenario": "vertical"} | shared).privacy.delta == 1e-6
