"""A hospital's demands: what gives them, and that a run which does not is told what to change, and where."""

from __future__ import annotations

import dataclasses

import pytest

from client_app.demands import check_demands
from client_app.settings import NodeSettings
from encryption.settings import EncryptionSettings
from protocol.privacy_settings import EXAMPLE, HOSPITAL, NO_UNIT, PATIENT, UNITS, PrivacySettings
from protocol.settings import SettingsError, read_settings

SEALED = EncryptionSettings()
RUN = PrivacySettings(unit=PATIENT, epsilon=4.0, delta=1e-6)
OWN = NodeSettings(privacy_unit=PATIENT, privacy_epsilon=4.0, privacy_delta=1e-6)


def run_under(unit: str) -> PrivacySettings:
    return PrivacySettings() if unit == NO_UNIT else dataclasses.replace(RUN, unit=unit)


def given(own: NodeSettings, run: PrivacySettings) -> bool:
    try:
        check_demands(SEALED, run, own)
    except SettingsError as error:
        assert "nothing was trained or sent" in str(error) and "node config" in str(error)
        return False
    return True


@pytest.mark.parametrize(
    ("demanded", "enough"),
    [(NO_UNIT, set(UNITS)), (EXAMPLE, {EXAMPLE, PATIENT}), (PATIENT, {PATIENT}), (HOSPITAL, {HOSPITAL})],
)
def test_which_runs_give_a_unit(demanded: str, enough: set[str]) -> None:
    own = NodeSettings(privacy_unit=demanded)
    assert {unit for unit in UNITS if given(own, run_under(unit))} == enough


@pytest.mark.parametrize("policy", ["none", "sensitive", "all"])
@pytest.mark.parametrize("own", ["none", "sensitive", "all"])
def test_no_run_seals_less_than_is_demanded(policy: str, own: str) -> None:
    order = ["none", "sensitive", "all"]
    node, run = NodeSettings(policy=own), EncryptionSettings(policy=policy)
    if order.index(policy) >= order.index(own):
        check_demands(run, PrivacySettings(), node)
    else:
        with pytest.raises(SettingsError, match=f"encryption.policy = '{policy}'"):
            check_demands(run, PrivacySettings(), node)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, ""),
        ({"epsilon": 3.0, "delta": 1e-7}, ""),
        ({"epsilon": 4.5}, "privacy.epsilon = 4.5"),
        ({"epsilon": 0.0, "noise_multiplier": 50.0}, "privacy.epsilon = 0.0"),  # noise, but nothing that stops the run
        ({"delta": 1e-5}, "privacy.delta = 1e-05"),
    ],
)
def test_a_budget_is_demanded_at_a_delta(changes: dict[str, float], named: str) -> None:
    run = dataclasses.replace(RUN, **changes)
    if not named:
        check_demands(SEALED, run, OWN)
        return
    with pytest.raises(SettingsError) as told:
        check_demands(SEALED, run, OWN)
    assert named in str(told.value) and "nothing was trained or sent" in str(told.value)


def test_delta_alone_demands_nothing() -> None:
    check_demands(SEALED, dataclasses.replace(RUN, delta=0.1), NodeSettings(privacy_unit=PATIENT, privacy_delta=1e-9))


def test_a_budget_for_nobody_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"node config.*privacy-unit = 'none'.*say whom it is for"):
        read_settings(NodeSettings, {"privacy-epsilon": 3.0}, "node config")


@pytest.mark.parametrize("unit", [NO_UNIT, HOSPITAL])
def test_a_budget_over_all_runs_is_for_what_the_node_counts(unit: str) -> None:
    with pytest.raises(SettingsError, match=rf"privacy-total-epsilon = 9 .* it is '{unit}'"):
        read_settings(NodeSettings, {"privacy-total-epsilon": 9.0, "privacy-unit": unit}, "node config")
