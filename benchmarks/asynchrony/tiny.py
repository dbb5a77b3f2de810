"""The embedded model on the virtual clock: real learners of synthetic hospitals, in place of the toy.

A training is decided by hospital, version, seed and start, so what one run trained another need not train again:
a synchronous round of everybody is the same on every clock. Bytes and seconds are those of the adapter stood for.

Not for: how good a model becomes (``crossward evaluate``), or seconds of this machine.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.asynchrony.clock import computes, links, speeds
from benchmarks.asynchrony.config import Config
from benchmarks.asynchrony.jobs import Job, Outcome, constant
from benchmarks.asynchrony.run import SYNC, Run
from client_app.training.learner import LoraLearner, adapted_model
from client_app.training.measuring import measure_batches
from client_app.training.trained import Trained, Vector
from crossward.adapters import LoraSettings, ModelConfig
from crossward.config.train_settings import TrainSettings
from crossward.config.weight_rules import FEDASYNC
from data import DataConfig, load_hospitals, test_batches

HOLD = 3  # updates: a synchronous round is the next point, whatever its size
Key = tuple[str, int, int, float, bytes]


class Remembered(LoraLearner):
    """A learner that does not train the same twice; ``memory`` is shared by all of them."""

    memory: dict[Key, Trained]

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        """A copy of the remembered training of this start, version, seed and learning rate, made on first use."""
        key = (self.site, version, seed, self.schedule.peak, hashlib.sha256(start.tobytes()).digest())
        if key not in self.memory:
            self.memory[key] = super().train(start, version, seed)
        kept = self.memory[key]
        return replace(kept, vector=kept.vector.copy())  # the node works in it


class TinyModel:
    """The hospitals and their learners; loaded once."""

    def __init__(self, config: Config) -> None:
        t = self.tiny = config.tiny
        self.config = config
        self.data = DataConfig(synthetic_patients=t.patients, max_tokens=t.max_tokens, min_patients=2)
        self.found = load_hospitals(self.data, t.hospitals)
        self.adapted = adapted_model(ModelConfig(device="cpu"), LoraSettings(rank=t.rank), 0)
        self.settings = TrainSettings(batch_size=t.batch_size)
        self.memory: dict[Key, Trained] = {}
        self.measured: dict[bytes, tuple[float, float]] = {}
        size = t.test_sequences * t.max_tokens
        tests = [learner.test_tokens for learner in self._learners(constant(t.learning_rate, t.local_steps, 1.0, 1))]
        self.batches = [
            (list(itertools.islice(test_batches(tokens, size), 1)), len(tokens.patient_ids)) for tokens in tests
        ]

    def _learners(self, schedule: Any) -> list[Remembered]:
        out = []
        for number, hospital in enumerate(self.found):
            learner = Remembered(self.adapted, hospital, self.data, schedule, self.settings, f"site-{number}")
            learner.on_progress = lambda report: None
            if schedule.versions > 1:
                learner.memory = self.memory
            out.append(learner)
        return out

    def losses(self, x: Any) -> tuple[float, float]:
        """Overall and worst hospital's loss, nats a token, over a few held-out sequences of each."""
        from crossward.adapters import write_vector

        vector = np.asarray(x, dtype=np.float32)
        key = hashlib.sha256(vector.tobytes()).digest()
        if key not in self.measured:
            write_vector(self.adapted.model, self.adapted.layout, vector)
            found = [measure_batches(self.adapted.model, batches, patients, "no") for batches, patients in self.batches]
            total = sum(m.loss_sum for m in found) / sum(m.tokens for m in found)
            self.measured[key] = (total, max(m.loss for m in found))
        return self.measured[key]

    def make(self, job: Job) -> Outcome:
        """One run of the tiny model; of the job, what the toy alone has is not used."""
        c, t = self.config, self.tiny
        rng = np.random.default_rng(job.seed)
        mbit, compute = links(c, t.hospitals, job.spread, rng), computes(c, t.hospitals, job.compute, rng)
        buffer = t.hospitals if job.strategy == SYNC else t.buffer
        versions = job.updates // (1 if job.strategy == FEDASYNC else buffer) + 2
        schedule = constant(t.learning_rate, t.local_steps, job.rate, versions)
        start = self.losses(self.adapted.initial)[0]
        target = t.loss_share * start
        curve = Run(
            job.strategy,
            self._learners(schedule),
            speeds(c, mbit, compute),
            self.losses,
            schedule,
            buffer,
            t.hospitals,
            c.wire.values,
            job.updates,
            target,
            HOLD,
            job.stop_there,
            job.until,
            job.seed,
            job.given,
        ).go()
        return Outcome(job, curve, target, 0.0, start, HOLD)
