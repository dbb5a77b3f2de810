"""What a party demands of vertical runs, checked before its data are read."""

from __future__ import annotations

from typing import Any

import pytest

from client_app.vertical.demands import check_demands
from crossward.config.node_config import NodeConfig
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError

VERTICAL = {"run.scenario": "vertical"}
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
    check_demands(RunConfig.read(VERTICAL | run), NodeConfig.read(node))


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
        check_demands(RunConfig.read(VERTICAL | run), NodeConfig.read(node))


SHOWN = {"vertical.label-epsilon": 2.0}


@pytest.mark.parametrize(
    ("run", "allowed"),
    [
        ({}, False),
        (SHOWN, True),
        ({"vertical.label-epsilon": 3.0}, False),
        ({"vertical.distil": False}, True),
        ({"vertical.distil": False, "vertical.exchanges": 1}, False),
        ({"vertical.distil": False, "vertical.exchanges": 1, "vertical.protection": "encrypted-forward"}, True),
    ],
)
def test_a_label_holder_bounds_what_tells_outcomes(run: dict[str, Any], allowed: bool) -> None:
    node = NodeConfig.read({"label-epsilon": 2.0})
    check_demands(RunConfig.read(VERTICAL | run), node)  # a party without the outcome has none to protect
    if allowed:
        check_demands(RunConfig.read(VERTICAL | run), node, has_outcome=True)
    else:
        with pytest.raises(SettingsError, match=r"which tell them outcomes, with vertical.label-epsilon"):
            check_demands(RunConfig.read(VERTICAL | run), node, has_outcome=True)
