"""Hospitals of a chosen number of training patients, what they train alone and together, and what each adapter reaches.

Held-out patients are the same whatever the number of training patients, so that only what a hospital learns from
changes. Runs are the product's own: its learners, nodes and strategy with the run config's defaults, on the virtual
clock and in the clear (sealing changes no bit).

Not for: summarising several runs (``benchmarks.few_notes.summary``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from client_app.training.learner import LoraLearner, adapted_model, notes
from client_app.training.threads import share_cores
from client_app.training.trained import Vector
from crossward.config.run_config import RunConfig
from crossward.evaluation.report import overrides
from crossward.protocol.measures import Measure, difference, measure
from crossward.simulation.strategy import simulate
from crossward.simulation.virtual_grid import Speed
from data import Hospital

Row = dict[str, Any]
BASE, ALONE, STOPPED, GLOBAL, PERSONAL = "base", "alone", "alone, stopped early", "global", "personal"
ADAPTERS = (BASE, ALONE, STOPPED, GLOBAL, PERSONAL)
ONE, ALL = "one", "all"
CASES = {ONE: "one hospital has so few, the others the usual number", ALL: "all hospitals have so few"}
SPEEDS = (1.0, 1.0, 1.5, 3.0)  # how many times slower than the fastest, as in `crossward run`
COMPUTE = 10.0  # virtual seconds of the fastest hospital's training


class StudyError(ValueError):
    """The study cannot be made of these notes; the message says what to change."""


@dataclass(frozen=True)
class Setting:
    """``sizes`` are training patients; ``usual`` is what the others have in case ``one``.

    ``given`` are KEY=VALUE pairs laid over the run config's defaults; ``held_out`` is the most held-out patients of a
    hospital.
    """

    sizes: tuple[int, ...] = (10, 30, 100, 300)
    usual: int = 100
    hospitals: int = 4
    seeds: int = 3
    held_out: int = 60
    given: tuple[str, ...] = ()

    def config(self, seed: int) -> RunConfig:
        """The run config of one seed."""
        base: Row = {"model.device": "cpu", "encryption.policy": "none", "strategy.evaluate-every": 0}
        base |= {"data.synthetic-patients": self.patients_for(max(*self.sizes, self.usual)), "data.min-patients": 2}
        return overrides(self.given, RunConfig.read(base | {"run.seed": seed}))

    def patients_for(self, training: int) -> int:
        """Synthetic patients in all, so that the smallest hospital has so many training patients.

        Made-up hospitals share patients in the proportions n+1 : n : ... : 2, and a fifth is held out.
        """
        weights = sum(range(2, self.hospitals + 2))
        return int(1.1 * training / 0.8 * weights / 2) + 8


class Unmeasured(LoraLearner):
    """A learner that measures nothing in a run, as only the studied hospital's figures are of interest here."""

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """One token of one patient."""
        return dict.fromkeys(models, measure([(1.0, 1.0, 1.0)]))


@dataclass(frozen=True)
class Job:
    """The hospital that ``seed`` chooses, with ``size`` training patients, in every case."""

    size: int
    seed: int

    @property
    def name(self) -> str:
        """A file name."""
        return f"{self.size}-{self.seed}"


def jobs(setting: Setting) -> list[Job]:
    """All of them, one seed after another, so that some figures of every size come early."""
    return [Job(size, seed) for seed in range(setting.seeds) for size in setting.sizes]


def few(hospital: Hospital, training: int, held_out: int, rng: np.random.Generator) -> Hospital:
    """``hospital`` with ``training`` of its training patients, drawn by ``rng``, and at most ``held_out`` others.

    Raises
    ------
    StudyError
        it has fewer training patients.
    """
    rows = np.array(hospital.train["patient_id"])
    patients = np.unique(rows)
    if len(patients) < training:
        raise StudyError(
            f"{hospital.name} has {len(patients)} training patients, not {training}: study smaller sizes (--sizes, "
            "--usual), fewer hospitals, or larger notes"
        )
    chosen = rng.permutation(patients)[:training]
    tested = np.array(hospital.test["patient_id"])
    kept = np.unique(tested)[:held_out]
    return replace(
        hospital,
        train=hospital.train.select(np.flatnonzero(np.isin(rows, chosen))),
        test=hospital.test.select(np.flatnonzero(np.isin(tested, kept))),
    )


def learners_of(setting: Setting, config: RunConfig, job: Job, case: str) -> list[LoraLearner]:
    """A learner for each hospital; the studied one has the same notes in every case."""
    adapted = adapted_model(config.model, config.lora, config.run.seed)
    out = list[LoraLearner]()
    for number in range(setting.hospitals):
        few_here = case == ALL or number == job.seed % setting.hospitals
        size, rng = job.size if few_here else setting.usual, np.random.default_rng([job.seed, number])
        hospital = few(notes(config.data, number, setting.hospitals), size, setting.held_out, rng)
        learner = Unmeasured(
            adapted, hospital, config.data, config.schedule, config.train, privacy=config.privacy,
            personal=config.personal,
            on_progress=lambda report: None,
        )  # fmt: skip
        out.append(learner)
    return out


def federated(config: RunConfig, learners: Sequence[LoraLearner], seed: int) -> Vector:
    """The global adapter of a run of these hospitals, float32 [total]."""
    speeds = [Speed(latency=0.05, compute=COMPUTE * SPEEDS[n % len(SPEEDS)]) for n in range(len(learners))]
    return simulate(learners, config.strategy, config.schedule, speeds, seed=seed).vector()


def make(setting: Setting, job: Job) -> list[Row]:
    """A row for each case: held-out measures of every adapter at the studied hospital."""
    began = time.perf_counter()
    config = setting.config(job.seed)
    share_cores(config.node.threads)
    number, steps = job.seed % setting.hospitals, config.schedule.local_steps * config.schedule.versions
    learner = learners_of(setting, config, job, ONE)[number]
    initial = learner.initial()
    alone = learner.alone(initial, steps, job.seed)
    models = {BASE: initial, ALONE: alone, STOPPED: learner.personal(initial, None, steps, job.seed).vector}
    rows, made = list[Row](), Row()
    for case in CASES:
        if case == ONE or job.size != setting.usual:  # where all have the usual number, the cases are one
            shared = federated(config, learners_of(setting, config, job, case), job.seed)
            personal = learner.personal(shared, alone, steps, job.seed)
            made = {"method": personal.method, "steps": personal.steps, "share": personal.share}
            made |= measured(learner, models | {GLOBAL: shared, PERSONAL: personal.vector})
        rows.append({"case": case, "size": job.size, "seed": job.seed, "hospital": learner.site, **made})
    seconds = (time.perf_counter() - began) / len(rows)
    return [row | {"training_notes": len(learner.hospital.train), "seconds": seconds} for row in rows]


def measured(learner: LoraLearner, models: dict[str, Vector]) -> Row:
    """``loss`` of each adapter, nats a token, and ``paired``: the personal one's minus each of the others'."""
    found = learner.by_patient(models)
    kept = {name: [(float(n), float(loss), float(right)) for n, loss, right in rows] for name, rows in found.items()}
    return {
        "loss": {name: measure(rows).loss for name, rows in kept.items()},
        "paired": {name: asdict(difference(kept[PERSONAL], rows)) for name, rows in kept.items() if name != PERSONAL},
    }
