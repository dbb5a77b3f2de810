"""The adapters to compare: untuned base, global, what each hospital trained for itself, centralised.

Not for: measuring them (``crossward.evaluation.report``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from datasets import concatenate_datasets
from numpy.typing import NDArray

from client_app.training.learner import LoraLearner
from client_app.training.spec import site_name
from crossward.evaluation.joining import names_of
from crossward.evaluation.node_state import FILES, belongs, folder_of, kept
from crossward.evaluation.replay import Run
from crossward.ledger.events import Accepted
from crossward.machine.files import replacing
from data import Hospital

Vector = NDArray[np.float32]


def kept_adapters(run: Run, hospitals: list[Hospital], total: int) -> dict[str, Vector]:
    """What hospitals trained for themselves, float32 [total], where their state folders are on this machine.

    ``local:<site>`` is the adapter trained alone, ``personal:<site>`` the personal one.
    """
    out = {}
    for number, hospital in enumerate(hospitals):
        site, folder = site_name(hospital.name), folder_of(run, number, len(hospitals))
        if not belongs(run, folder, site):
            continue
        names = names_of(site)
        for which in FILES:
            if (vector := kept(folder, which, total)) is not None:
                out[names[which]] = vector
    return out


def total_steps(run: Run) -> int:
    """Optimiser steps that went into the global adapter, over all hospitals."""
    usual = run.config.schedule.local_steps
    taken = {event.task: event.steps for event in run.events if isinstance(event, Accepted)}
    return sum(taken.get(task) or usual for made in run.versions for task in made.tasks)


def centralised(learners: list[LoraLearner], steps: int, seed: int, observer: Callable[[int, float], None]) -> Vector:
    """What the same number of steps gives on all hospitals' training notes in one place, float32 [total].

    Hospitals that may not share records cannot do this; it is the yardstick.
    """
    first = learners[0]
    pool = concatenate_datasets([learner.hospital.train for learner in learners])
    hospital = Hospital("all hospitals", pool, first.hospital.test, first.hospital.labels)
    learner = LoraLearner(first.adapted, hospital, first.data, first.schedule, first.settings)
    return learner.alone(first.initial(), steps, seed, observer)


def save_vector(path: Path, vector: Vector) -> None:
    """Keep a trained vector beside the run, so that a second evaluation need not train again."""
    with replacing(path) as file:
        np.save(file, vector)
