"""Trainings and measurements that need not be made twice, with the seconds they took when they were made.

A training is decided by hospital, start, version, seed and the settings that reach the learner: methods whose servers
add up the same integers train the same, whether those were sealed or not. A remembered one counts with its seconds.

Not for: keeping anything between processes (``research.compare.work`` keeps finished jobs).
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from client_app.node import Learner
from client_app.personal.result import Personal
from client_app.training.trained import Trained, Vector
from crossward.config.run_config import RunConfig
from crossward.protocol.measures import Measure

_TRAINS = ("model.", "lora.", "data.", "train.", "privacy.")
_ALSO = ("run.seed", "strategy.num-versions")
_MEASURES = ("model.", "lora.", "data.")


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def vector_digest(vector: Vector) -> str:
    """sha256 hex of an adapter's float32 values."""
    return hashlib.sha256(np.ascontiguousarray(vector, dtype="<f4").tobytes()).hexdigest()


@dataclass
class Memory:
    """What was trained and measured in this process, of one seed."""

    trained: dict[str, tuple[Trained, float]] = field(default_factory=dict)
    alone: dict[str, tuple[Vector, float]] = field(default_factory=dict)
    measured: dict[str, Measure] = field(default_factory=dict)


class Remembering:
    """A learner in front of ``learner`` that does not train or measure the same twice.

    ``seconds`` has what each training took, in the order they were asked for.
    """

    def __init__(self, learner: Learner, config: RunConfig, memory: Memory, seconds: list[float]) -> None:
        self.learner, self.memory, self.seconds = learner, memory, seconds
        self.layout, self.sizes, self.site = learner.layout, learner.sizes, learner.site
        self.units: int = getattr(learner, "units", 0)  # what a private training protects, 0 without
        trains = {k: v for k, v in config.by_key().items() if k.startswith(_TRAINS) or k in _ALSO}
        measures = {k: v for k, v in config.by_key().items() if k.startswith(_MEASURES) or k == "run.seed"}
        self._trains, self._measures = _digest(trains), _digest(measures)

    def initial(self) -> Vector:
        """The learner's version 0."""
        return self.learner.initial()

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        """A copy of the remembered training of this start, version and seed, made on first use."""
        key = _digest(self._trains, self.site, vector_digest(start), version, seed)
        if key not in self.memory.trained:
            began = time.perf_counter()
            made = self.learner.train(start, version, seed)
            self.memory.trained[key] = (made, time.perf_counter() - began)
        trained, seconds = self.memory.trained[key]
        self.seconds.append(seconds)
        return replace(trained, vector=trained.vector.copy())  # the node works in it

    def train_private(self, start: Vector, version: int, noise_multiplier: float) -> Trained:
        """Training with noise that nobody can draw again: it is made every time."""
        private: Any = self.learner
        began = time.perf_counter()
        made: Trained = private.train_private(start, version, noise_multiplier)
        self.seconds.append(time.perf_counter() - began)
        return made

    def alone(self, start: Vector, steps: int, seed: int) -> Vector:
        """The remembered training alone, made on first use."""
        key = _digest(self._trains, self.site, vector_digest(start), steps, seed)
        if key not in self.memory.alone:
            began = time.perf_counter()
            made = self.learner.alone(start, steps, seed)
            self.memory.alone[key] = (made, time.perf_counter() - began)
        vector, seconds = self.memory.alone[key]
        self.seconds.append(seconds)
        return vector

    def personal(self, start: Vector, alone: Vector | None, steps: int, seed: int) -> Vector:
        """The learner's personal adapter from the global one; it is not remembered."""
        learner: Any = self.learner
        began = time.perf_counter()
        made: Personal = learner.personal(start, alone, steps, seed)
        self.seconds.append(time.perf_counter() - began)
        return made.vector

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """The remembered measure of each adapter, made on first use."""
        keys = {name: _digest(self._measures, self.site, vector_digest(v)) for name, v in models.items()}
        for name, key in keys.items():
            if key not in self.memory.measured:
                self.memory.measured[key] = self.learner.evaluate({name: models[name]})[name]
        return {name: self.memory.measured[key] for name, key in keys.items()}

    def sensitive_blocks(self, fraction: float) -> tuple[bool, ...]:
        """The learner's sensitive blocks."""
        return self.learner.sensitive_blocks(fraction)

    def close(self, last: bool) -> None:
        """Close the learner."""
        self.learner.close(last)
