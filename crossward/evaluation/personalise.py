"""A personal adapter made later: from a run's global adapter, at one hospital, with its own notes.

The global adapter comes from the run folder with the consortium's key, from the node's own copy in its state folder, or
from an exported folder. Nothing leaves the machine.

Not for: how it is trained (``client_app.personal``), or what a node does at the end of a run (``client_app.node``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client_app.personal.result import Personal
from client_app.seeds import derived_seed
from client_app.training.learner import AdaptedModel, LoraLearner, adapted_model
from client_app.training.spec import site_name
from client_app.training.threads import share_cores
from crossward.adapters import load_adapter, read_vector
from crossward.adapters.files import CONFIG as ADAPTER
from crossward.config.personal_settings import FINE_TUNE, NONE
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError
from crossward.evaluation.export import SETTINGS, write_folder
from crossward.evaluation.joining import joinings, names_of
from crossward.evaluation.model_card import Subject
from crossward.evaluation.node_state import copied, folder_named, kept
from crossward.evaluation.opening import consortium_key, vault_of
from crossward.evaluation.replay import EvaluationError, Run, consortium_of, global_vector, open_run
from crossward.evaluation.report import hospitals_of, learner_of, overrides
from crossward.report.joining.figures import ALONE, BASE, GLOBAL, PERSONAL, Joining
from data import Hospital

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Wanted:
    """What is asked for; see ``crossward personalise --help``. Paths are absolute.

    ``source`` is a run folder, or a folder that ``crossward export`` wrote.
    """

    source: Path
    key: Path | None = None
    passphrase_file: Path | None = None
    roster: Path | None = None
    version: int | None = None
    set: tuple[str, ...] = ()
    notes: str = ""
    site: str = ""
    state_dir: Path | None = None


@dataclass(frozen=True)
class Start:
    """Where personalising starts: the global adapter ``vector``, float32 [total], at ``version`` of ``lineage``."""

    config: RunConfig
    adapted: AdaptedModel
    vector: Vector
    lineage: str
    version: int
    run: Run | None = None


@dataclass(frozen=True)
class Made:
    """A personal adapter and what it is worth at home."""

    start: Start
    site: str
    personal: Personal
    joining: Joining


def personalise(wanted: Wanted, say: Callable[[str], None]) -> Made:
    """Make the personal adapter, and measure it beside the others on the hospital's held-out notes.

    Raises
    ------
    EvaluationError
        the source cannot be opened, or it is not said whose notes these are.
    """
    start = _exported(wanted) if (wanted.source / ADAPTER).is_file() else _of_run(wanted)
    config = start.config
    hospital = _hospital(wanted, start)
    learner = learner_of(start.adapted, hospital, config)
    learner.on_progress = lambda report: None if report.doing else say(report.line())
    site, own = learner.site, _alone(wanted, start, site_name(hospital.name))
    steps = config.personal.steps or config.schedule.local_steps * config.schedule.versions
    say(f"personalising version {start.version} for {site}: trainings of {steps} steps on {len(hospital.train)} notes")
    made = learner.personal(start.vector, own, steps, derived_seed(config.run.seed, site, start.version, "personal"))
    say(made.line())
    return Made(start, site, made, _measured(learner, start.vector, own, made.vector))


def write_made(made: Made, folder: Path) -> None:
    """Write the personal adapter as a PEFT folder."""
    start = made.start
    subject = Subject(start.config, start.adapted.base, start.lineage, start.version, start.run, PERSONAL, made.site)
    write_folder(start.adapted, made.personal.vector, folder, subject, [made.joining])


def _settings(wanted: Wanted, config: RunConfig) -> RunConfig:
    """The run's settings with what was given laid over them; to ask for a personal adapter is to want a method."""
    config = overrides(wanted.set, config)
    if wanted.state_dir is not None:
        config = replace(config, run=replace(config.run, state=str(wanted.state_dir)))
    if config.personal.method == NONE:
        config = replace(config, personal=replace(config.personal, method=FINE_TUNE))
    share_cores(config.node.threads)
    return config


def _of_run(wanted: Wanted) -> Start:
    """The adapter of a run folder; of the node's own copy where its state folder is given and no key."""
    run = open_run(wanted.source)
    config = _settings(wanted, run.config)
    run = replace(run, config=config)
    if wanted.key is None and wanted.state_dir is not None:
        adapted = adapted_model(config.model, config.lora, config.run.seed)
        folder = folder_named(run, wanted.site)
        vector, version = copied(run, folder, adapted)
        return Start(config, adapted, vector, run.lineage, version, run)
    key = consortium_key(run, wanted.key, wanted.passphrase_file)
    checks = consortium_of(run, wanted.roster)
    adapted = adapted_model(config.model, config.lora, config.run.seed)
    layout = adapted.layout
    sizes = tuple(block.size for block in layout.blocks)
    vault = vault_of(run, key, adapted)
    vector = global_vector(
        run, adapted.initial, layout.fingerprint, sizes, wanted.version, vault, checks, layout.shapes
    )
    return Start(config, adapted, vector, run.lineage, wanted.version or run.state.version, run)


def _exported(wanted: Wanted) -> Start:
    """The adapter of a folder that was exported, which takes no key."""
    path = wanted.source / SETTINGS
    try:
        given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        config, lineage, version = RunConfig.stored(given["config"]), str(given["lineage"]), int(given["version"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SettingsError) as error:
        raise EvaluationError(
            f"{path}, the settings of the run, cannot be read ({type(error).__name__}): export the adapter again with "
            "`crossward export`, or give the run's own folder"
        ) from error
    config = _settings(wanted, config)
    adapted = adapted_model(config.model, config.lora, config.run.seed)
    load_adapter(adapted.model, wanted.source, adapted.layout)
    return Start(config, adapted, read_vector(adapted.model, adapted.layout), lineage, version)


def _hospital(wanted: Wanted, start: Start) -> Hospital:
    """Whose notes: those of ``--notes``, or hospital ``--site`` of those that the run's data are shared out to."""
    data = start.config.data
    if wanted.notes:
        return hospitals_of(data, (wanted.notes,), 1)[0]
    if start.run is None:
        raise EvaluationError(
            f"{wanted.source} is an exported adapter: give the hospital's notes with --notes NAME=PATH"
        )
    found = {site_name(one.name): one for one in hospitals_of(data, (), start.run.nodes)}
    if wanted.site in found:
        return found[wanted.site]
    given = f"--site {wanted.site} is none of them" if wanted.site else "give --site NAME, or --notes NAME=PATH"
    raise EvaluationError(f"the run's notes are those of {', '.join(found)}: {given}")


def _alone(wanted: Wanted, start: Start, site: str) -> Vector | None:
    """The adapter that the hospital trained alone, where its state is on this machine."""
    if start.run is None:
        return None
    try:
        return kept(folder_named(start.run, wanted.site or site), ALONE, start.adapted.initial.size)
    except EvaluationError:
        return None


def _measured(learner: LoraLearner, vector: Vector, alone: Vector | None, personal: Vector) -> Joining:
    models = {BASE: learner.initial(), GLOBAL: vector, PERSONAL: personal} | ({} if alone is None else {ALONE: alone})
    names = names_of(learner.site)
    rows = learner.by_patient({names[which]: model for which, model in models.items()})
    return joinings({(model, learner.site): found for model, found in rows.items()}, [learner.site])[0]
