"""The work: one method with one seed is a job, whose result is kept in the output folder and never computed twice.

Not for: what the results come to (``research.compare.summary``).
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from client_app.training.learner import LoraLearner, local_learner
from client_app.training.spec import LearnerSpec
from client_app.training.threads import share_cores
from client_app.training.trained import Vector
from crossward.config.data_settings import LABEL, NOTES
from crossward.config.run_config import RunConfig
from crossward.evaluation.collect import centralised
from research.compare.at_home import train_alone, train_personal
from research.compare.federation import Cost, Federated, UnavailableError, federate
from research.compare.folder import open_folder, read_json, write_json
from research.compare.memory import Memory, Remembering, vector_digest
from research.compare.methods import CENTRALISED, Method
from research.compare.quality import elsewhere, label_quality, notes_quality
from research.compare.settings import Comparison

Facts = dict[str, Any]
Heard = Callable[[str], None]
JOBS = "jobs"
FLOAT32 = 4  # bytes of a value as federated averaging without quantisation sends it


@dataclass
class Trained:
    """The adapter that each hospital uses, in the hospitals' order, and what making them cost."""

    home: list[Vector]
    cost: Cost
    run: Federated | None = None

    @property
    def adapter(self) -> str:
        """One digest of all distinct adapters."""
        return vector_digest(np.concatenate(list({id(v): v for v in self.home}.values())))


@dataclass
class Workplace:
    """Runs jobs of ``setting`` into ``out``; ``say`` hears what is being done.

    Raises
    ------
    EvaluationError
        ``out`` holds a comparison of other settings, or one made under other ``defaults``.
    """

    setting: Comparison
    out: Path
    defaults: Mapping[str, Any]
    say: Heard = lambda text: None
    memory: Memory = field(default_factory=Memory)
    _seed: int = -1
    _labels: dict[str, Facts] = field(default_factory=dict)  # of one seed: the same adapters are measured once

    def __post_init__(self) -> None:
        wanted = self.setting.to_json()
        wanted.pop("seeds")  # more of them may be added
        open_folder(self.out, wanted, self.defaults)

    # ------------------------------------------------------------------ jobs

    def path(self, method: Method, seed: int) -> Path:
        """Where a job's result is kept."""
        return self.out / JOBS / f"{method.name}-{seed}.json"

    def done(self, method: Method, seed: int) -> bool:
        """Whether the job's result is there."""
        return self.path(method, seed).exists()

    def job(self, method: Method, seed: int, label: bool = True) -> Facts:
        """A method's figures with one seed; ``label`` also trains on the label task, where the notes have labels.

        Raises
        ------
        UnavailableError
            this code cannot run the method.
        """
        path = self.path(method, seed)
        if path.exists():
            return read_json(path)
        if seed != self._seed:
            self._seed, self.memory, self._labels = seed, Memory(), {}
        began = time.perf_counter()
        facts = self._notes(method, seed)
        if label and self.setting.has_label:
            facts |= self._label(method, seed)
        facts |= {"job_seconds": time.perf_counter() - began}
        write_json(path, facts)
        return facts

    def _config(self, method: Method, seed: int, task: str, state: Path = Path("/unused")) -> Facts:
        return self.setting.config(method, seed, task, self.defaults, state)

    def learners(self, method: Method, seed: int, task: str) -> list[LoraLearner]:
        """The hospitals' learners under ``method``'s settings."""
        config = RunConfig.read(self._config(method, seed, task))
        share_cores(config.node.threads)
        count = self.setting.hospitals
        return [local_learner(LearnerSpec(config, number, count)) for number in range(count)]

    def _train(self, method: Method, seed: int, task: str, learners: list[LoraLearner]) -> Trained:
        """The adapters that ``method`` makes for ``task``."""
        setting, steps = self.setting, self.setting.steps(task)

        def say(text: str) -> None:
            self.say(f"{method.title}, seed {seed}, {task}: {text}")

        if method.federated:
            with tempfile.TemporaryDirectory(prefix="crossward-compare-") as place:
                try:
                    config = self._config(method, seed, task, Path(place) / "state")
                    last = setting.versions(method, task)
                    run = federate(
                        config,
                        setting.hospitals,
                        setting.link_mbit,
                        Path(place) / "run",
                        learners[0],
                        self.memory,
                        lambda version: say(f"version {version} of {last}"),
                    )
                finally:
                    shutil.rmtree(Path(place) / "state", ignore_errors=True)
            home, seconds = [run.vector] * setting.hospitals, list[float]()
            if method.personal:
                home = train_personal(self._remembering(method, seed, task, learners, seconds), home, steps, seed, say)
            run.cost.train += sum(seconds)
            return Trained(home, run.cost, run)
        began = time.perf_counter()
        if method.name == CENTRALISED:
            every = steps * setting.hospitals
            vector = centralised(learners, every, seed, lambda step, loss: say(f"step {step + 1}"))
            home, seconds = [vector] * setting.hospitals, [time.perf_counter() - began]
        else:
            home, seconds = list[Vector](), list[float]()
            home += train_alone(self._remembering(method, seed, task, learners, seconds), steps, seed, say)
        return Trained(home, Cost(train=sum(seconds), trainings=setting.hospitals))

    def _remembering(
        self, method: Method, seed: int, task: str, learners: list[LoraLearner], seconds: list[float]
    ) -> list[Remembering]:
        config = RunConfig.read(self._config(method, seed, task))
        return [Remembering(learner, config, self.memory, seconds) for learner in learners]

    def _notes(self, method: Method, seed: int) -> Facts:
        learners = self.learners(method, seed, NOTES)
        made = self._train(method, seed, NOTES, learners)
        self.say(f"{method.title}, seed {seed}: measuring on held-out notes")
        measured = self._remembering(method, seed, NOTES, learners, [])
        facts = {"method": method.name, "seed": seed, "adapter": made.adapter} | notes_quality(measured, made.home)
        if method.at_home:
            facts |= elsewhere(measured, made.home)
        if method.name == CENTRALISED:  # every hospital's training notes travel once
            made.cost.up = sum(len(t.encode()) for learner in learners for t in learner.hospital.train["text"])
        return facts | self._costs(made, sum(learners[0].sizes))

    def _costs(self, made: Trained, values: int) -> Facts:
        """Per round, in which every hospital trains once; a hospital's link is its own, and all work at once."""
        setting, cost, rounds = self.setting, made.cost, self.setting.rounds
        hospitals = setting.hospitals
        size, at_nodes = (cost.up + cost.down) / rounds, (cost.train + cost.seal + cost.open) / rounds
        alone = made.run is None and cost.up > 0  # one place trains for all
        compute = at_nodes if alone else at_nodes / hospitals
        return {
            "values": values,
            "rounds": rounds,
            "versions": made.run.versions if made.run else 0,
            "updates": made.run.updates if made.run else 0,
            "trainings": cost.trainings,
            "steps": made.run.steps if made.run else {},
            "bytes_up_per_round": cost.up / rounds,
            "bytes_down_per_round": cost.down / rounds,
            "bytes_per_round": size,
            "float32_bytes_per_round": 2 * FLOAT32 * values * hospitals,
            "train_seconds_per_round": cost.train / rounds,
            "seal_seconds_per_round": cost.seal / rounds,
            "open_seconds_per_round": cost.open / rounds,
            "add_seconds_per_round": cost.add / rounds,
            "crypto_seconds_per_round": cost.crypto / rounds,
            "seconds_per_round_here": (cost.train + cost.crypto) / rounds,
            "seconds_per_round": 8e-6 * size / hospitals / setting.link_mbit + compute + cost.add / rounds,
            "epsilon": made.run.epsilon if made.run else None,
        }

    def _label(self, method: Method, seed: int) -> Facts:
        learners = self.learners(method, seed, LABEL)
        made = self._train(method, seed, LABEL, learners)
        config = self._config(method, seed, LABEL)
        decides = {k: v for k, v in config.items() if k.startswith(("model.", "lora.", "data.", "train."))}
        key = json.dumps([decides, [vector_digest(vector) for vector in made.home]], sort_keys=True)
        if key not in self._labels:
            self.say(f"{method.title}, seed {seed}: AUROC of held-out notes")
            self._labels[key] = label_quality(learners, made.home)
        return self._labels[key]


__all__ = ["Facts", "Heard", "UnavailableError", "Workplace"]
