"""A run, and the adapters that its hospitals make of it; all kept in a folder, so that a stopped benchmark goes on.

Not for: what is compared (``benchmarks.personal.variants``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.harness.command import say
from benchmarks.personal.settings import Setting
from client_app.personal.trainer import Given
from client_app.training.learner import LoraLearner
from client_app.training.measuring import Table
from client_app.training.trained import Vector
from crossward.config.run_config import RunConfig
from crossward.evaluation.replay import Run, global_vector, open_run
from crossward.evaluation.report import learners_of
from crossward.machine.files import write_atomic
from crossward.simulation.run import simulate_run
from crossward.simulation.virtual_grid import Speed

HOSPITALS = 4
SPEEDS = tuple(Speed(mbit=mbit) for mbit in (1000.0, 300.0, 100.0, 30.0))


@dataclass(frozen=True)
class Consortium:
    """Four hospitals under ``setting`` and ``seed``, with what was trained and measured in ``folder``."""

    setting: Setting
    seed: int
    folder: Path

    @cached_property
    def config(self) -> RunConfig:
        """The run config."""
        return self.setting.config(self.seed, str(self.folder / "state"))

    @cached_property
    def run(self) -> Run:
        """The run, made first where it is missing."""
        path, done = self.folder / "run", self.folder / "run.done"
        if not done.exists():
            resume = path.exists()
            say(f"{self.folder.name}: {'resuming' if resume else 'making'} the run")
            simulate_run(self.config, path, SPEEDS, resume=resume)
            done.touch()
        return open_run(path)

    @cached_property
    def learners(self) -> list[LoraLearner]:
        """One a hospital."""
        made = learners_of(self.run, sites=HOSPITALS)
        for learner in made:
            learner.on_progress = lambda report: None
        return made

    @cached_property
    def start(self) -> Vector:
        """The global adapter."""
        one = self.learners[0]
        return global_vector(self.run, one.initial(), one.layout, one.sizes, shapes=one.shapes)

    @property
    def steps(self) -> int:
        """As many as training alone takes."""
        return self.config.schedule.versions * self.config.schedule.local_steps

    def given(self, number: int) -> Given:
        """What hospital ``number`` makes personal adapters of."""
        alone = self.alone(number)
        return Given(self.start, alone, self.steps, self.config.schedule.peak, 10 * self.seed + 5)

    def alone(self, number: int) -> Vector:
        """The adapter that hospital ``number`` trained alone."""
        learner = self.learners[number]
        return self.kept(f"alone-{number}", lambda: learner.alone(learner.initial(), self.steps, 10 * self.seed + 3))

    def kept(self, name: str, make: Callable[[], Vector]) -> Vector:
        """The vector ``name``, trained first where it is missing."""
        path = self.folder / f"{name}.npy"
        if not path.exists():
            say(f"{self.folder.name}: training {name}")
            np.save(path, make())
        vector: Vector = np.load(path)
        return vector

    def table(self, name: str, vector: Callable[[], Vector], site: int) -> Table:
        """(tokens, loss_sum, correct) by held-out patient of hospital ``site``, measured first where it is missing."""
        path = self.folder / f"{name}-at-{site}.table.npy"
        if not path.exists():
            np.save(path, self.learners[site].by_patient({name: vector()})[name])
        table: Table = np.load(path)
        return table

    def facts(self, name: str, value: dict[str, object] | None = None) -> dict[str, object]:
        """What was noted under ``name``; ``value`` notes it."""
        path = self.folder / f"{name}.json"
        if value is not None:
            write_atomic(path, json.dumps(value), durable=False)
        return json.loads(path.read_text()) if path.exists() else {}
