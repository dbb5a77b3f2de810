"""Hospital-level privacy read from a run config: the mechanism that both sides derive, and what it does not go with.

Server, nodes and whoever opens the adapter need one range and one amount of noise; both follow from public settings
alone. With ``privacy.unit = "hospital"`` the value range is ``privacy.clip`` times the mechanism's reach, room for a
bounded update and the tail of its noise share, in place of learning rate x steps x ``train.value-range``.

The accounting needs ``crossward.privacy.hospital``, which imports no torch and nothing of ours, and is imported only
where the unit asks for it. Keys of other rooms are read by name, with their defaults; a test compares those.

Not for: accounting (``crossward.privacy.hospital``), noise (``client_app.update.hospital_noise``), DP-SGD.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossward.config.privacy_settings import HOSPITAL, PrivacySettings
from crossward.config.schedule import Schedule
from crossward.config.settings import SettingsError, read_settings
from crossward.config.weightings import DEFAULT, EQUAL
from crossward.encryption.schemes import BFV, SCHEMES

if TYPE_CHECKING:
    from crossward.privacy.hospital import HospitalMechanism

DEFAULTS: dict[str, Any] = {
    "strategy.weighting": DEFAULT,
    "strategy.buffer-size": 3,
    "strategy.min-contributors": 3,
    "strategy.evaluate-every": 8,
    "strategy.target-loss": 0.0,
    "strategy.patience": 0,
    "encryption.policy": "all",
    "encryption.scheme": BFV,
    "train.value-range": 1.0,
}


def _value(config: Mapping[str, Any], key: str) -> Any:
    return config.get(key, DEFAULTS[key])


def hospital_mechanism(config: Mapping[str, Any]) -> HospitalMechanism | None:
    """The run's mechanism; None unless ``privacy.unit`` is hospital. The same on every machine.

    Raises
    ------
    SettingsError
        nobody would be left to carry the noise, or no noise keeps the budget.
    """
    privacy = read_settings(PrivacySettings, config)
    if privacy.unit != HOSPITAL:
        return None
    from crossward.privacy.hospital import HospitalMechanism, calibrate

    fewest = int(_value(config, "strategy.min-contributors"))
    honest = fewest - privacy.colluding
    if honest < 1:
        raise SettingsError(
            f"run config: strategy.min-contributors = {fewest} and privacy.colluding = {privacy.colluding} leave no "
            "contributor whose noise counts: raise the one or lower the other"
        )
    try:
        multiplier = privacy.noise_multiplier or calibrate(
            privacy.epsilon, privacy.delta, read_settings(Schedule, config).versions, honest
        )
    except ValueError as error:
        raise SettingsError(f"run config: {error}; raise privacy.epsilon or privacy.delta") from error
    return HospitalMechanism(multiplier, honest, privacy.clip)


def run_schedule(config: Mapping[str, Any]) -> Schedule:
    """The run's schedule, its value range as the run's privacy has it."""
    schedule, mechanism = read_settings(Schedule, config), hospital_mechanism(config)
    if mechanism is None:
        return schedule
    return replace(schedule, range_factor=mechanism.clip * mechanism.reach / (schedule.peak * schedule.local_steps))


def check_hospital(config: Mapping[str, Any]) -> None:
    """Refuse a run config whose hospital-level guarantee would not be the one accounted for.

    Raises
    ------
    SettingsError
        names the keys that clash and what to do.
    """
    privacy = read_settings(PrivacySettings, config)
    if privacy.unit != HOSPITAL:
        return
    for clash in _clashes(config):
        raise SettingsError(f"run config: privacy.unit = 'hospital': {clash}")
    _check_budget(config, privacy)


def _clashes(config: Mapping[str, Any]) -> list[str]:
    weighting, buffer = _value(config, "strategy.weighting"), _value(config, "strategy.buffer-size")
    out = []
    if weighting != EQUAL:
        out.append(
            f"strategy.weighting = {weighting!r} is made of what a hospital reports about its data, and changes what "
            "one hospital can do to a version: use strategy.weighting = 'equal'"
        )
    if buffer < 1:
        out.append(
            "strategy.buffer-size = 0 lets the number of connected nodes decide a version's weights: give the number "
            "of updates that make a version"
        )
    scheme, exact = _value(config, "encryption.scheme"), [name for name, kind in SCHEMES.items() if kind.exact]
    if _value(config, "encryption.policy") != "none" and scheme not in exact:
        out.append(
            f"encryption.scheme = {scheme!r} adds an error of its own to every sum, which no accountant covers: use "
            f"{' or '.join(map(repr, exact))}, whose sums are exact"
        )
    if _value(config, "train.value-range") != DEFAULTS["train.value-range"]:
        out.append(
            "train.value-range does nothing here, the range follows from privacy.clip and the noise: leave it 1.0 and "
            "set privacy.clip"
        )
    judged = _value(config, "strategy.target-loss") or _value(config, "strategy.patience")
    if judged and not _value(config, "strategy.evaluate-every"):
        out.append(
            "strategy.target-loss and strategy.patience would judge training losses, which hospitals do not report "
            "here: leave them 0 or set strategy.evaluate-every"
        )
    return out


def _check_budget(config: Mapping[str, Any], privacy: PrivacySettings) -> None:
    mechanism = hospital_mechanism(config)
    assert mechanism is not None  # noqa: S101 - for mypy
    versions = read_settings(Schedule, config).versions
    planned = mechanism.epsilon(versions, privacy.delta)
    if planned == float("inf"):
        raise SettingsError(
            f"run config: privacy.noise-multiplier = {mechanism.noise_multiplier:g} over {versions} versions is so "
            "little noise that no epsilon can be claimed: raise it, or make fewer versions"
        )
    if privacy.epsilon and planned > privacy.epsilon:
        raise SettingsError(
            f"run config: {versions} versions at privacy.noise-multiplier = {mechanism.noise_multiplier:g} would spend "
            f"epsilon {planned:.4g} of a hospital that takes part in all of them, privacy.epsilon allows "
            f"{privacy.epsilon:g} at delta {privacy.delta:g}: use privacy.noise-multiplier = 0 to have it calibrated, "
            "or fewer versions"
        )
