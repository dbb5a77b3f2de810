"""Whatever is wrong with a simulated run of this app, found in the first seconds, before Flower is started.

Not for: runs of other apps, whose settings are their own; deployed runs, whose notes and models are at the hospitals.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crossward.config.ranks import rank_in_simulation
from crossward.config.run_config import SECTIONS, RunConfig
from crossward.config.settings import SettingsError, resolve_paths
from crossward.encryption.settings import field_plan
from crossward.launcher.errors import LauncherError
from crossward.machine.paths import PathError, home, looks_like_path
from crossward.machine.waiting import announced
from data import DataError
from strategies.callbacks import CallbackError, load_callbacks


def resolved(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``overrides`` with paths made absolute, from the caller's directory."""
    try:
        return resolve_paths(SECTIONS.values(), overrides)
    except SettingsError as error:
        raise LauncherError(f"run config: {error}") from error


def check_run(values: Mapping[str, Any], nodes: int, check: Callable[[RunConfig, int], None]) -> RunConfig:
    """The run config of ``values``; everything that it and ``nodes`` decide is checked, and that named files exist.

    ``check`` is the scenario's (``crossward.launcher.scenarios``).

    Raises
    ------
    LauncherError
        says what cannot be, and what to change.
    """
    try:
        home()
        config = RunConfig.read(values)
        check(config, nodes)
        load_callbacks(config.run.callbacks)
    except (SettingsError, PathError, CallbackError) as error:
        raise LauncherError(str(error)) from error
    _check_files(config)
    return config


def check_size(config: RunConfig, nodes: int) -> None:
    """Refuse a run that waits for more nodes than there will ever be, or whose sums ``nodes`` of them would overflow.

    Raises
    ------
    SettingsError
        says which key.
    """
    settings, mechanism = config.strategy, config.mechanism
    try:
        settings.check_size(nodes)
        size = min(settings.buffer_size or nodes, nodes)
        plan = field_plan(config.encryption, nodes, size, mechanism is not None, settings.fine_weight(nodes))
        plan.check_buffer(max(size, 1))
        if mechanism is not None:
            mechanism.shares(plan.q_max)
        rank_in_simulation(config.lora, 0, nodes)
    except ValueError as error:
        raise SettingsError(f"--num-supernodes {nodes}: {error}") from error


def _check_files(config: RunConfig) -> None:
    name, bases = config.model.name, config.lora.bases
    if looks_like_path(name) and not (Path(name) / "config.json").is_file():
        raise LauncherError(f"run config: model.name = {name!r} is not a model folder: it has no config.json")
    if bases and not (Path(bases).is_file() and os.access(bases, os.R_OK)):
        raise LauncherError(f"run config: lora.bases = {bases!r} is not a readable file")


class _Lines(logging.Handler):
    """What the readers of notes log, line by line to ``say``."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        self.say(record.getMessage())


def read_notes(config: RunConfig, nodes: int, say: Callable[[str], None]) -> int:
    """Read and share out the notes as every simulated hospital will, which then finds them in the cache.

    Returns how many are held out.

    Raises
    ------
    LauncherError
        they cannot be read, or not be shared out so.
    """
    from data import load_hospitals

    data = config.data
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
    return sum(len(one.test) for one in hospitals)


def read_parties(config: RunConfig, nodes: int, say: Callable[[str], None]) -> int:
    """Make the simulated parties' data as each of them will; returns 0, as their patients are held out later.

    Raises
    ------
    LauncherError
        they cannot be made.
    """
    from client_app.vertical.simulated import load_simulated, party_of

    try:
        with announced(say, "making the patients of the simulated parties"):
            found = [(party_of(number, nodes), load_simulated(config, number, nodes)) for number in range(nodes)]
    except (DataError, PathError) as error:
        raise LauncherError(f"the parties' data: {error}") from error
    for party, data in found:
        outcome = ", and the outcome" if party.has_outcome else ""
        say(f"{party.name}: {len(data.patients)} patients, {party.holds}{outcome}")
    return 0
