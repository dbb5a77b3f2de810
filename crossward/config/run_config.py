"""The run config: every key of a run, parsed once at the door into typed sections and checked as a whole.

    config = RunConfig.read(context.run_config)
    config.train.batch_size, config.encryption.policy, config.schedule.versions

ServerApp, ClientApp, launcher, evaluation and research read it here; past the door nobody sees a dict of keys.

Not for: a hospital's own settings (``crossward.config.node_config``), or reading one section
(``crossward.config.settings``).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crossward.config.data_settings import DataConfig
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.hospital_privacy import check_hospital, hospital_mechanism, noised_schedule
from crossward.config.model_settings import LoraSettings, ModelConfig
from crossward.config.old_keys import OLD_RUN_KEYS, current_keys
from crossward.config.personal_settings import PersonalSettings
from crossward.config.privacy_checks import check_private
from crossward.config.privacy_settings import PrivacySettings
from crossward.config.profile_run import profile_run
from crossward.config.ranks import check_ranks
from crossward.config.run_settings import RunSettings, SimulationSettings
from crossward.config.schedule import Schedule
from crossward.config.settings import SettingsError, keyed, read_settings
from crossward.config.strategy_settings import StrategySettings
from crossward.config.train_settings import EngineSettings, TrainSettings
from crossward.config.vertical_checks import check_vertical
from crossward.config.vertical_settings import VerticalSettings

if TYPE_CHECKING:
    from crossward.privacy.hospital import HospitalMechanism

Value = str | int | float | bool
RUN_CONFIG, ON_A_NODE = "run config", "run config, or what node config has instead"


SECTIONS: dict[str, type[Any]] = {
    "run": RunSettings,
    "model": ModelConfig,
    "lora": LoraSettings,
    "data": DataConfig,
    "schedule": Schedule,
    "train": TrainSettings,
    "node": EngineSettings,
    "strategy": StrategySettings,
    "encryption": EncryptionSettings,
    "privacy": PrivacySettings,
    "personal": PersonalSettings,
    "vertical": VerticalSettings,
    "simulation": SimulationSettings,
}
_FIELDS = [field for section in SECTIONS.values() for field in keyed(section)]
DEFAULTS: dict[str, Any] = {field.metadata["key"]: field.default for field in _FIELDS}
HOSPITAL_KEYS = tuple(field.metadata["key"] for field in _FIELDS if field.metadata.get("hospital"))
"""Run keys that a hospital may override in its node config."""


@dataclass(frozen=True)
class RunConfig:
    """A run's settings by section.

    Of a profile run (``run.profile``) it is what that follows (``crossward.config.profile_run``).
    ``schedule`` has the keys of strategy and train that server and nodes must agree on, its value range as the run's
    privacy has it; ``mechanism`` is the noise of hospital-level privacy, None without it.
    """

    run: RunSettings
    model: ModelConfig
    lora: LoraSettings
    data: DataConfig
    schedule: Schedule
    train: TrainSettings
    node: EngineSettings
    strategy: StrategySettings
    encryption: EncryptionSettings
    privacy: PrivacySettings
    personal: PersonalSettings
    vertical: VerticalSettings
    simulation: SimulationSettings
    mechanism: HospitalMechanism | None = None

    @classmethod
    def read(cls, values: Mapping[str, Any], where: str = RUN_CONFIG) -> RunConfig:
        """The run config of ``values`` (keys and values; absent keys keep their default).

        Raises
        ------
        SettingsError
            a key is unknown or old, a value is not what is expected, or values do not go together; the message names
            the keys and what to do.
        """
        for key in values:
            if key not in DEFAULTS:
                raise SettingsError(f"{where}: {unknown_key(key)}")
        sections: dict[str, Any] = {name: read_settings(kind, values, where) for name, kind in SECTIONS.items()}
        config = cls(**sections)
        check_vertical(config, where)
        if config.run.profile:
            config = profile_run(config, where)
        check_private(config, where)
        check_ranks(config, where)
        mechanism = hospital_mechanism(config.privacy, config.strategy.min_contributors, config.schedule.versions)
        if mechanism is None:
            return config
        check_hospital(config, mechanism)
        return replace(config, mechanism=mechanism, schedule=noised_schedule(config.schedule, mechanism))

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> RunConfig:
        """The run config of a run folder, which an earlier version may have written."""
        return cls.read(current_keys(values))

    def by_key(self) -> dict[str, Value]:
        """Every key and its value; :meth:`read` makes the same run config of them."""
        return {
            field.metadata["key"]: getattr(getattr(self, name), field.name)
            for name, kind in SECTIONS.items()
            for field in keyed(kind)
        }


def unknown_key(key: str) -> str:
    """What is wrong with a run-config key that does not exist, and what to use instead."""
    if key in OLD_RUN_KEYS:
        return f"{key} {OLD_RUN_KEYS[key].now}: remove it"
    near = difflib.get_close_matches(key.replace("_", "-"), DEFAULTS, 3)
    return f"there is no key {key}; " + (f"did you mean {' or '.join(near)}?" if near else "see `crossward settings`")
