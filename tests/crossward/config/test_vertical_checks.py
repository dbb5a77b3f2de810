"""A setting that protects nothing in a run's scenario is refused, in either direction."""

from __future__ import annotations

from typing import Any

import pytest

from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError

NOISED = {"vertical.protection": "noised", "vertical.epsilon": 4.0}


@pytest.mark.parametrize("scenario", ["vertical", "transfer"])
@pytest.mark.parametrize("asked", [{}, NOISED, {"vertical.label-epsilon": 1.0}])
def test_a_run_of_parties_takes_their_settings(scenario: str, asked: dict[str, Any]) -> None:
    RunConfig.read({"run.scenario": scenario, **asked})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (NOISED, r"vertical.protection = 'noised' protects nothing in a run with run.scenario = 'horizontal'"),
        ({"vertical.label-epsilon": 1.0}, r"vertical.label-epsilon = 1 protects nothing .* use privacy.unit"),
    ],
)
def test_a_horizontal_run_does_not_promise_what_it_has_not(asked: dict[str, Any], message: str) -> None:
    RunConfig.read({})
    with pytest.raises(SettingsError, match=message):
        RunConfig.read(asked)
