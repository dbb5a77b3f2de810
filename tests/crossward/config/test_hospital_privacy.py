"""Hospital-level privacy from a run config: one mechanism on both sides, and every clash refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from crossward.config.run_config import RunConfig
from crossward.config.schedule import Schedule
from crossward.config.settings import SettingsError

ASKED: dict[str, Any] = {
    "privacy.unit": "hospital",
    "privacy.epsilon": 8.0,
    "privacy.clip": 0.5,
    "strategy.weighting": "equal",
    "strategy.num-versions": 24,
}


def test_the_noise_is_calibrated_for_every_version_and_the_range_holds_clip_and_noise() -> None:
    config = RunConfig.read(ASKED)
    mechanism, schedule = config.mechanism, config.schedule
    assert mechanism is not None and mechanism.noise_multiplier == 3.125  # epsilon 8 at 1e-5
    assert mechanism.honest == 2 and mechanism.epsilon(24, 1e-5) <= 8.0
    assert schedule.value_range(0) == pytest.approx(0.5 * mechanism.reach)
    assert schedule.value_range(3) == pytest.approx(0.5 * mechanism.reach / 8)
    assert schedule == Schedule(versions=24, range_factor=schedule.range_factor)


def test_without_the_unit_nothing_changes() -> None:
    for unit in ("none", "patient"):
        asked: dict[str, Any] = {"privacy.epsilon": 8.0, "strategy.weighting": "equal"} if unit != "none" else {}
        config = RunConfig.read({"privacy.unit": unit, **asked})
        assert config.mechanism is None and config.schedule == Schedule()


def test_a_sound_config_passes_and_an_explicit_multiplier_is_taken_as_it_is() -> None:
    given = {**ASKED, "privacy.epsilon": 0.0, "privacy.noise-multiplier": 1.7}
    mechanism = RunConfig.read(given).mechanism
    assert mechanism is not None and mechanism.noise_multiplier == 1.7
    RunConfig.read({**ASKED, "strategy.name": "dp-fedavg", "encryption.policy": "none", "encryption.scheme": "ckks"})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"strategy.weighting": "paper"}, "use strategy.weighting = 'equal'"),
        ({"strategy.weighting": "examples"}, "use strategy.weighting = 'equal'"),
        ({"strategy.buffer-size": 0, "strategy.name": "fedavg"}, "strategy.buffer-size = 0"),
        ({"encryption.scheme": "ckks"}, "encryption.scheme = 'ckks'"),
        ({"strategy.evaluate-every": 0, "strategy.target-loss": 1.0}, "would judge training losses"),
        ({"strategy.evaluate-every": 0, "strategy.patience": 2}, "would judge training losses"),
        ({"strategy.min-contributors": 1}, "leave no contributor whose noise counts"),
        ({"privacy.colluding": 3}, "leave no contributor whose noise counts"),
        ({"privacy.noise-multiplier": 3.0}, r"24 versions at privacy.noise-multiplier = 3 would spend epsilon 8\."),
        ({"privacy.noise-multiplier": 0.2, "privacy.epsilon": 0.0}, "no epsilon can be claimed"),
        ({"privacy.epsilon": 1e-9, "privacy.delta": 1e-12}, "no noise keeps"),
    ],
)
def test_what_would_not_be_the_guarantee_accounted_for_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        RunConfig.read({**ASKED, **changes})
