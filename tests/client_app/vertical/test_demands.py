"""What a party demands of vertical runs, checked before its data are read."""

from __future__ import annotations

from typing import Any

import pytest

from client_app.vertical.demands import check_demands
from crossward.config.node_config import NodeConfig
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError

NOISED = {"vertical.protection": "noised", "vertical.epsilon": 4.0}


@pytest.mark.parametrize(
    ("node", "run"),
    [
        ({}, {}),
        ({"most-patients": 5000}, {"vertical.most-patients": 5000}),
        ({"privacy-unit": "patient", "privacy-epsilon": 4.0}, NOISED),
    ],
)
def test_a_run_within_the_demands_is_taken_part_in(node: dict[str, Any], run: dict[str, Any]) -> None:
    check_demands(RunConfig.read(run), NodeConfig.read(node))


@pytest.mark.parametrize(
    ("node", "run", "message"),
    [
        ({"most-patients": 5000}, {}, "vertical.most-patients = 2000000, this party accepts at most 5000"),
        ({"privacy-unit": "patient", "privacy-epsilon": 4.0}, {}, "takes part with 'noised' and at most 4"),
        ({"privacy-unit": "patient", "privacy-epsilon": 1.0}, NOISED, "vertical.epsilon = 4, this party takes part"),
        ({"privacy-delta": 1e-7}, {}, "privacy.delta = 1e-05, this party accepts at most 1e-07"),
    ],
)
def test_a_run_that_asks_for_less_is_refused(node: dict[str, Any], run: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_demands(RunConfig.read(run), NodeConfig.read(node))
