"""A ClientApp whose nodes hold an adapter of an 8-billion-parameter model's size, but no model.

Everything but the training is real: catching up, quantising, sealing, state on disk. A local training adds a small
random delta. ``benchmarks.encryption.grid`` starts it in a real run.

Not for: anything about language.
"""

from __future__ import annotations

import time

import numpy as np
from flwr.app import Context
from flwr.clientapp import ClientApp

from benchmarks.encryption.sizes import llama_blocks
from client_app.handlers import make_app
from client_app.node import Node
from client_app.training.trained import Trained, Vector
from client_app.update.keys import simulated_key
from client_app.update.payloads import Vault
from client_app.update.sealer import UpdateSealer
from crossward.config.run_config import RunConfig
from crossward.protocol.measures import Measure, measure
from crossward.protocol.messages import Task
from crossward.simulation.toy import toy_identity

_STRETCH = 1 << 20


class LargeLearner:
    """Learner of :class:`client_app.node.Learner` over the blocks of ``share`` of Llama-3.1-8B's layers."""

    def __init__(self, number: int, share: float, spread: float, compute: float = 0.0) -> None:
        self.site, self.layout = f"large-{number}", f"llama-3.1-8b-{share:g}"
        self.sizes = tuple(llama_blocks(share))
        self.spread, self.compute = np.float32(spread), compute

    def initial(self) -> Vector:
        """Zeros, float32 [all blocks]."""
        return np.zeros(sum(self.sizes), dtype=np.float32)

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        """Normal noise on ``start`` after ``compute`` seconds: as many bytes as a training sends, without the model."""
        time.sleep(self.compute)
        vector, rng = start.copy(), np.random.default_rng(seed)
        for place in range(0, vector.size, _STRETCH):
            here = vector[place : place + _STRETCH]
            here += self.spread * rng.standard_normal(here.size, dtype=np.float32)
        return Trained(vector, 10, 1000, 1000.0, 1)

    def alone(self, start: Vector, steps: int, seed: int) -> Vector:
        """``start`` as it is."""
        return start

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """The same made-up measure for every adapter."""
        return {name: measure([(10.0, 10.0, 5.0)] * 3) for name in models}

    def sensitive_blocks(self, fraction: float) -> tuple[bool, ...]:
        """The first ``fraction`` of the blocks."""
        return tuple(number < fraction * len(self.sizes) for number in range(len(self.sizes)))

    def close(self, last: bool) -> None:
        """Nothing to release."""
        pass


def large_app(share: float, compute: float) -> ClientApp:
    """The ClientApp: ``share`` of the layers, and at least ``compute`` seconds a training."""

    def build(context: Context, task: Task) -> Node:
        config, number = RunConfig.read(context.run_config), int(context.node_config["partition-id"])
        return Node(
            LargeLearner(number, share, config.schedule.value_range(0) / 8, compute),
            config.run.state_root / task.lineage / f"site-{number}",
            toy_identity(number + 1),
            config.schedule,
            config.run.seed,
            sealer=UpdateSealer(Vault(config.encryption, simulated_key(config.encryption))),
        )

    return make_app(build)
