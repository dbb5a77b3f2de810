"""Hospital-level privacy from a run config: one mechanism on both sides, and every clash refused by name."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from client_app.settings import TrainSettings
from crossward.config.hospital_privacy import DEFAULTS, check_hospital, hospital_mechanism, run_schedule
from crossward.config.schedule import Schedule
from crossward.config.settings import SettingsError
from crossward.encryption.settings import EncryptionSettings
from crossward.launcher.settings_table import check_settings
from strategies.settings import StrategySettings

ASKED: dict[str, Any] = {
    "privacy.unit": "hospital",
    "privacy.epsilon": 8.0,
    "privacy.clip": 0.5,
    "strategy.weighting": "equal",
}


def test_the_defaults_are_those_of_the_classes_that_own_the_keys() -> None:
    for key, value in DEFAULTS.items():
        owners = [
            field.default
            for cls in (StrategySettings, EncryptionSettings, TrainSettings, Schedule)
            for field in dataclasses.fields(cls)
            if field.metadata["key"] == key
        ]
        assert owners == [value], key


def test_the_noise_is_calibrated_for_every_version_and_the_range_holds_clip_and_noise() -> None:
    mechanism = hospital_mechanism(ASKED)
    assert mechanism is not None and mechanism.noise_multiplier == 3.125  # 24 versions, epsilon 8 at 1e-5
    assert mechanism.honest == 2 and mechanism.epsilon(24, 1e-5) <= 8.0
    schedule = run_schedule(ASKED)
    assert schedule.value_range(0) == pytest.approx(0.5 * mechanism.reach)
    assert schedule.value_range(3) == pytest.approx(0.5 * mechanism.reach / 8)
    assert schedule == dataclasses.replace(Schedule(), range_factor=schedule.range_factor)


def test_without_the_unit_nothing_changes() -> None:
    for unit in ("none", "patient"):
        config: dict[str, Any] = {"privacy.unit": unit, **({"privacy.epsilon": 8.0} if unit != "none" else {})}
        assert hospital_mechanism(config) is None and run_schedule(config) == Schedule()
        check_hospital(config)


def test_a_sound_config_passes_and_an_explicit_multiplier_is_taken_as_it_is() -> None:
    check_hospital(ASKED)
    check_settings(ASKED)
    given = {**ASKED, "privacy.epsilon": 0.0, "privacy.noise-multiplier": 1.7}
    check_hospital(given)
    mechanism = hospital_mechanism(given)
    assert mechanism is not None and mechanism.noise_multiplier == 1.7
    check_hospital({**ASKED, "strategy.name": "dp-fedavg", "encryption.policy": "none", "encryption.scheme": "ckks"})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy.weighting": "paper"}, "use strategy.weighting = 'equal'"),
        ({"strategy.weighting": "examples"}, "use strategy.weighting = 'equal'"),
        ({"strategy.buffer-size": 0, "strategy.name": "fedavg"}, "strategy.buffer-size = 0"),
        ({"encryption.scheme": "ckks"}, "encryption.scheme = 'ckks'"),
        ({"train.value-range": 2.0}, "train.value-range does nothing"),
        ({"strategy.evaluate-every": 0, "strategy.target-loss": 1.0}, "would judge training losses"),
        ({"strategy.evaluate-every": 0, "strategy.patience": 2}, "would judge training losses"),
        ({"strategy.min-contributors": 1}, "leave no contributor whose noise counts"),
        ({"privacy.colluding": 3}, "leave no contributor whose noise counts"),
        ({"privacy.noise-multiplier": 3.0}, r"24 versions at privacy.noise-multiplier = 3 would spend epsilon 8\."),
        ({"privacy.noise-multiplier": 0.2, "privacy.epsilon": 0.0}, "no epsilon can be claimed"),
        ({"privacy.epsilon": 1e-9, "privacy.delta": 1e-12}, "no noise keeps"),
    ],
)
def test_what_would_not_be_the_guarantee_accounted_for_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        check_settings({**ASKED, **changes})
