"""The node's model and notes: LoRA factors on a base model, trained and measured on this hospital's notes.

Model and notes are loaded once per process and stay; hospitals that share a process share the base model, since
all that is a hospital's own (its adapter) is written into the factors before each task.

Not for: what is sent (``client_app.node``).
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from adapters import LoraSettings, ModelConfig, attach_lora, layout_of, load_base, read_vector, write_vector
from client_app.measuring import measure_batches
from client_app.node import Trained, Vector
from client_app.settings import TrainSettings
from client_app.training import train_steps
from data import DataConfig, Hospital, load_hospital, test_batches, tokenise, train_batches
from protocol.measures import Measure
from protocol.schedule import Schedule

logger = logging.getLogger("crossward.node")
OnStep = Callable[[int, float], None]


@dataclass(frozen=True)
class Workshop:
    """A base model with its factors attached, and their initial values."""

    base: Any
    model: Any
    layout: Any
    initial: Vector


@functools.lru_cache(maxsize=1)
def workshop(model: ModelConfig, lora: LoraSettings, seed: int) -> Workshop:
    """Load once per process."""
    base = load_base(model)
    peft_model = attach_lora(base, lora, seed)
    layout = layout_of(peft_model, base, lora)
    return Workshop(base, peft_model, layout, read_vector(peft_model, layout))


@functools.lru_cache(maxsize=16)
def notes(data: DataConfig, partition: int | None, partitions: int | None) -> Hospital:
    """A hospital's notes, memory-mapped."""
    return load_hospital(data, partition, partitions)


def site_name(name: str) -> str:
    """``name`` as it is sent: one line of at most 200 printable characters, whatever a column of a file holds."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:200] or "hospital"


class LoraLearner:
    """A :class:`client_app.node.Learner` over a Hugging Face causal language model."""

    def __init__(
        self,
        shop: Workshop,
        hospital: Hospital,
        data: DataConfig,
        schedule: Schedule,
        settings: TrainSettings,
        site: str = "",
    ) -> None:
        self.shop, self.schedule, self.settings, self.data = shop, schedule, settings, data
        self.hospital, self.site = hospital, site_name(site or hospital.name)
        self.layout: str = shop.layout.fingerprint
        self.sizes: tuple[int, ...] = tuple(block.size for block in shop.layout.blocks)
        tokenizer = shop.base.tokenizer
        self.train_tokens = tokenise(hospital.train, tokenizer, data, hospital.labels)
        # measured note by note, so that a hospital's figure does not depend on how its notes were packed
        self.test_tokens = tokenise(hospital.test, tokenizer, replace(data, packing=False), hospital.labels)

    def initial(self) -> Vector:
        return self.shop.initial

    def _train(
        self,
        start: Vector,
        steps: int,
        schedule: Schedule,
        version: int,
        rng: np.random.Generator,
        heard: OnStep | None,
    ) -> Trained:
        model, layout = self.shop.model, self.shop.layout
        write_vector(model, layout, start)
        began, seen = time.perf_counter(), 0

        def on_step(step: int, loss: float, tokens: int) -> None:
            nonlocal seen
            seen += tokens
            if heard is not None:
                heard(step, loss)
            if (step + 1) % 10 == 0 or step + 1 == steps:
                speed = seen / (time.perf_counter() - began)
                logger.info("%s: step %s/%s, loss %.3f, %.0f tokens/s", self.site, step + 1, steps, loss, speed)

        with torch.random.fork_rng():  # dropout draws from torch's own generator
            torch.manual_seed(int(rng.spawn(1)[0].integers(2**62)))
            outcome = train_steps(
                model,
                train_batches(self.train_tokens, self.settings.batch_size, rng),
                steps,
                lambda step: schedule.learning_rate(version, step),
                self.settings,
                on_step,
            )
        examples = len(self.train_tokens)
        return Trained(read_vector(model, layout), examples, outcome.tokens, outcome.loss_sum, outcome.steps)

    def train(self, start: Vector, version: int, rng: np.random.Generator) -> Trained:
        """``train.local-steps`` steps at the run's rates for ``version``."""
        return self._train(start, self.schedule.local_steps, self.schedule, version, rng, None)

    def alone(self, start: Vector, steps: int, rng: np.random.Generator, heard: OnStep | None = None) -> Vector:
        """``steps`` steps through a whole schedule of the run's form; ``heard`` is told step and loss."""
        schedule = replace(self.schedule, versions=1, local_steps=steps)
        return self._train(start, steps, schedule, 0, rng, heard).vector

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """Measures on the held-out notes."""
        out = {}
        for name, vector in models.items():
            write_vector(self.shop.model, self.shop.layout, vector)
            batches = test_batches(self.test_tokens, self.settings.evaluation_tokens)
            out[name] = measure_batches(self.shop.model, batches, self.settings.precision)
        return out
