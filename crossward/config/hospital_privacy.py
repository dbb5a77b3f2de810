"""Hospital-level privacy of a run: the mechanism that both sides derive, and what it does not go with.

Server, nodes and whoever opens the adapter need one range and one amount of noise; both follow from public settings
alone. With ``privacy.unit = "hospital"`` the value range is ``privacy.clip`` times the mechanism's reach, room for a
bounded update and the tail of its noise share, in place of learning rate x steps.

The accounting needs ``crossward.privacy.hospital``, which imports no torch and nothing of ours, and is imported only
where the unit asks for it.

Not for: accounting (``crossward.privacy.hospital``), noise (``client_app.update.hospital_noise``), DP-SGD.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossward.config.encryption_schemes import SCHEMES
from crossward.config.encryption_settings import NONE
from crossward.config.privacy_settings import HOSPITAL, PrivacySettings
from crossward.config.schedule import Schedule
from crossward.config.settings import SettingsError
from crossward.config.weightings import EQUAL

if TYPE_CHECKING:
    from crossward.config.run_config import RunConfig
    from crossward.privacy.hospital import HospitalMechanism


def hospital_mechanism(privacy: PrivacySettings, min_contributors: int, versions: int) -> HospitalMechanism | None:
    """The mechanism of a run; None unless ``privacy.unit`` is hospital. The same on every machine.

    Raises
    ------
    SettingsError
        nobody would be left to carry the noise, or no noise keeps the budget.
    """
    if privacy.unit != HOSPITAL:
        return None
    from crossward.privacy.hospital import HospitalMechanism, calibrate

    honest = min_contributors - privacy.colluding
    if honest < 1:
        raise SettingsError(
            f"run config: strategy.min-contributors = {min_contributors} and privacy.colluding = {privacy.colluding} "
            "leave no contributor whose noise counts: raise the one or lower the other"
        )
    try:
        multiplier = privacy.noise_multiplier or calibrate(privacy.epsilon, privacy.delta, versions, honest)
    except ValueError as error:
        raise SettingsError(f"run config: {error}; raise privacy.epsilon or privacy.delta") from error
    return HospitalMechanism(multiplier, honest, privacy.clip)


def noised_schedule(schedule: Schedule, mechanism: HospitalMechanism) -> Schedule:
    """``schedule`` with the value range that holds a bounded update and its noise share."""
    return replace(schedule, range_factor=mechanism.clip * mechanism.reach / (schedule.peak * schedule.local_steps))


def check_hospital(config: RunConfig, mechanism: HospitalMechanism) -> None:
    """Refuse a run config whose hospital-level guarantee would not be the one accounted for.

    Raises
    ------
    SettingsError
        names the keys that clash and what to do.
    """
    for clash in _clashes(config):
        raise SettingsError(f"run config: privacy.unit = 'hospital': {clash}")
    _check_budget(config.privacy, config.schedule.versions, mechanism)


def _clashes(config: RunConfig) -> list[str]:
    strategy, encryption = config.strategy, config.encryption
    out = []
    if strategy.rule.weighting != EQUAL:
        out.append(
            f"strategy.weighting = {strategy.rule.weighting!r} is made of what a hospital reports about its data, and "
            "changes what one hospital can do to a version: use strategy.weighting = 'equal'"
        )
    if strategy.buffer_size < 1:
        out.append(
            "strategy.buffer-size = 0 lets the number of connected nodes decide a version's weights: give the number "
            "of updates that make a version"
        )
    exact = [name for name, scheme in SCHEMES.items() if scheme.exact]
    if encryption.policy != NONE and encryption.scheme not in exact:
        out.append(
            f"encryption.scheme = {encryption.scheme!r} adds its own error to every sum, which no accountant "
            f"covers: use {' or '.join(map(repr, exact))}, whose sums are exact"
        )
    if (strategy.target_loss or strategy.patience) and not strategy.evaluate_every:
        out.append(
            "strategy.target-loss and strategy.patience would judge training losses, which hospitals do not report "
            "here: leave them 0 or set strategy.evaluate-every"
        )
    return out


def _check_budget(privacy: PrivacySettings, versions: int, mechanism: HospitalMechanism) -> None:
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
