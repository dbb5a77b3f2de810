"""Settings that do nothing in a run's scenario, though who sets them counts on them: such a run is refused, not misled.

Not for: the settings of vertical runs (``crossward.config.vertical_settings``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from crossward.config.encryption_settings import NONE
from crossward.config.privacy_settings import NO_UNIT
from crossward.config.scenarios import SCENARIOS, TRANSFER, VERTICAL
from crossward.config.settings import SettingsError
from crossward.config.strategy_settings import StrategySettings
from crossward.config.vertical_settings import SEALED

if TYPE_CHECKING:
    from crossward.config.run_config import RunConfig


class Unfit(NamedTuple):
    """A setting that is ``asked`` for, as it is written, and what to do instead."""

    asked: Callable[[RunConfig], bool]
    written: Callable[[RunConfig], str]
    instead: str


UNFIT = (
    Unfit(
        lambda config: config.privacy.unit != NO_UNIT,
        lambda config: f"privacy.unit = {config.privacy.unit!r}",
        "it noises updates, of which there are none: set vertical.protection = 'noised' and vertical.epsilon, and "
        "vertical.label-epsilon for what is returned of outcomes",
    ),
    Unfit(
        lambda config: config.encryption.policy == NONE,
        lambda config: f"encryption.policy = {NONE!r}",
        "identifiers are peppered with the consortium's key: leave it at 'all'",
    ),
    Unfit(
        lambda config: config.run.profile,
        lambda config: "run.profile = true",
        "a profile counts the notes of hospitals with different patients: remove one of the two",
    ),
    Unfit(
        lambda config: config.strategy.name != StrategySettings().name,
        lambda config: f"strategy.name = {config.strategy.name!r}",
        "no updates are added up, and steps follow a program: remove it",
    ),
    Unfit(
        lambda config: bool(config.run.callbacks),
        lambda config: f"run.callbacks = {config.run.callbacks!r}",
        "callbacks see the versions of a model, of which there are none: remove it",
    ),
)


def check_vertical(config: RunConfig, where: str) -> None:
    """Refuse a run with a setting of another scenario that would protect nothing, or has to be another.

    Raises
    ------
    SettingsError
        names the setting and what to do.
    """
    if not SCENARIOS[config.run.scenario].data_of_parties:
        _check_horizontal(config, where)
        return
    for one in UNFIT:
        if one.asked(config):
            raise SettingsError(
                f"{where}: {one.written(config)} does not go with run.scenario = {config.run.scenario!r}: {one.instead}"
            )


def _check_horizontal(config: RunConfig, where: str) -> None:
    vertical = config.vertical
    asked = {
        f"vertical.protection = {vertical.protection!r}": vertical.protection != SEALED,
        f"vertical.label-epsilon = {vertical.label_epsilon:g}": vertical.label_epsilon > 0,
    }
    for written in (text for text, given in asked.items() if given):
        raise SettingsError(
            f"{where}: {written} protects nothing in a run with run.scenario = {config.run.scenario!r}: set that to "
            f"{VERTICAL!r} or {TRANSFER!r}, or use privacy.unit, which protects hospitals' updates"
        )
