"""Whatever is wrong with a simulated run of this app, found in the first seconds, before Flower is started.

Not for: runs of other apps, whose settings are their own; deployed runs, whose notes and models are at the hospitals.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crossward.adapters import ModelConfig
from crossward.config.hospital_privacy import hospital_mechanism
from crossward.config.run_settings import RunSettings
from crossward.config.settings import SettingsError, read_settings, resolve_paths
from crossward.encryption.settings import EncryptionSettings
from crossward.launcher.errors import LauncherError
from crossward.launcher.settings_table import RUN_CONFIG, check_settings
from crossward.machine.paths import PathError, home, looks_like_path
from crossward.machine.waiting import announced
from data import DataConfig, DataError
from strategies.callbacks import CallbackError, load_callbacks
from strategies.settings import StrategySettings

Config = Mapping[str, Any]


def resolved(overrides: Config) -> dict[str, Any]:
    """``overrides`` with paths made absolute, from the caller's directory."""
    try:
        return resolve_paths(RUN_CONFIG, overrides)
    except SettingsError as error:
        raise LauncherError(f"run config: {error}") from error


def check_run(config: Config, nodes: int) -> None:
    """Everything that settings and the number of simulated hospitals decide, and whether named files exist.

    Raises
    ------
    LauncherError
        says what cannot be, and what to change.
    """
    try:
        home()
        check_settings(config)
        check_size(config, nodes)
        load_callbacks(read_settings(RunSettings, config).callbacks)
    except (SettingsError, PathError, CallbackError) as error:
        raise LauncherError(str(error)) from error
    _check_files(config)


def check_size(config: Config, nodes: int) -> None:
    """Refuse a run that waits for more nodes than there will ever be, or whose sums ``nodes`` of them would overflow.

    Raises
    ------
    SettingsError
        says which key.
    """
    settings, mechanism = read_settings(StrategySettings, config), hospital_mechanism(config)
    try:
        settings.check_size(nodes)
        size = min(settings.buffer_size or nodes, nodes)
        plan = read_settings(EncryptionSettings, config).plan(nodes, size, noised=mechanism is not None)
        plan.check_buffer(max(size, 1))
        if mechanism is not None:
            mechanism.shares(plan.q_max)
    except ValueError as error:
        raise SettingsError(f"--num-supernodes {nodes}: {error}") from error


def _check_files(config: Config) -> None:
    name = read_settings(ModelConfig, config).name
    if looks_like_path(name) and not (Path(name) / "config.json").is_file():
        raise LauncherError(f"run config: model.name = {name!r} is no folder with a model: it has no config.json")
    bases = str(config.get("lora.bases", ""))
    if bases and not (Path(bases).is_file() and os.access(bases, os.R_OK)):
        raise LauncherError(f"run config: lora.bases = {bases!r} is no file that can be read")


class _Lines(logging.Handler):
    """What the readers of notes log, line by line to ``say``."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        self.say(record.getMessage())


def read_notes(config: Config, nodes: int, say: Callable[[str], None]) -> None:
    """Read and share out the notes as every simulated hospital will, which then finds them in the cache.

    Raises
    ------
    LauncherError
        they cannot be read, or not be shared out so.
    """
    from data import load_hospitals

    data = read_settings(DataConfig, config)
    logger, lines = logging.getLogger("crossward.data"), _Lines(say)
    level, propagates = logger.level, logger.propagate
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        with announced(say, f"reading the notes of {data.path or 'the made-up hospitals'}; this happens once"):
            hospitals = load_hospitals(data, nodes)
    except (DataError, PathError) as error:
        raise LauncherError(f"the notes: {error}") from error
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)
        logger.propagate = propagates
    say("notes: " + ", ".join(f"{one.name} {len(one.train) + len(one.test)}" for one in hospitals))
