"""A toy learner with a convex loss, for whole runs of thousands of nodes in seconds.

Node k holds a target t_k; its loss is ``0.5 mean((x - t_k)^2)`` and a local training takes gradient steps from x.
The federation's optimum is the weighted mean of the targets, known in closed form.

Not for: anything about language.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Context, RecordDict
from flwr.clientapp import ClientApp

from client_app.guard.limits import Limits
from client_app.handlers import make_app
from client_app.node import Node
from client_app.personal.result import Personal
from client_app.training.trained import Trained, Vector
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.payloads import Vault
from client_app.update.sealer import UpdateSealer
from crossward.config.privacy_settings import HOSPITAL, NO_UNIT
from crossward.config.schedule import Schedule
from crossward.protocol.measures import Measure, measure
from crossward.protocol.messages import Task


class ToyLearner:
    """Learner of :class:`client_app.node.Learner` over ``dimension`` values in two blocks."""

    def __init__(self, number: int, schedule: Schedule, dimension: int = 16, examples: int = 10) -> None:
        self.site = f"toy-{number}"
        self.layout = f"toy-layout-{dimension}"
        self.sizes: tuple[int, ...] = (dimension // 2, dimension - dimension // 2)
        self.schedule = schedule
        self.examples = examples
        self.target = np.random.default_rng(number).uniform(-1.0, 1.0, dimension).astype(np.float32)

    def initial(self) -> Vector:
        """Zeros, float32 [dimension]."""
        return np.zeros(self.target.size, dtype=np.float32)

    def _loss(self, vector: Vector) -> float:
        return float(0.5 * np.mean((vector - self.target) ** 2))

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        """Gradient steps of the schedule towards this node's target; nothing in it is random."""
        vector, loss = start.copy(), 0.0
        for step in range(self.schedule.local_steps):
            loss += self._loss(vector) * self.examples
            vector -= (
                np.float32(self.schedule.learning_rate(version, step))
                * 0.5
                * np.clip(4.0 * (vector - self.target), -1.0, 1.0)
            )
        tokens = self.examples * self.schedule.local_steps
        return Trained(vector, self.examples, tokens, loss, self.schedule.local_steps)

    def alone(self, start: Vector, steps: int, seed: int) -> Vector:
        """The node's own target: where training alone would end."""
        return self.target.copy()

    def personal(self, start: Vector, alone: Vector | None, steps: int, seed: int) -> Personal:
        """Half of the way from the global adapter to the node's own target."""
        return Personal(0.5 * (start + self.target), "toy", steps, 0.5)

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """The toy's loss of each adapter, in nats a token, as of three patients with ten tokens each."""
        return {name: measure([(10.0, 10.0 * self._loss(v), 5.0)] * 3) for name, v in models.items()}

    def sensitive_blocks(self, fraction: float) -> tuple[bool, ...]:
        """The first ``fraction`` of the blocks."""
        return tuple(number < fraction * len(self.sizes) for number in range(len(self.sizes)))

    def close(self, last: bool) -> None:
        """Nothing to release."""
        pass


def toy_identity(number: int) -> Ed25519PrivateKey:
    """A fixed identity for toy node ``number``."""
    return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))


def toy_app(
    folder: Path,
    schedule: Schedule,
    dimension: int = 16,
    vault: Vault | None = None,
    noise: HospitalNoise | None = None,
) -> ClientApp:
    """A ClientApp of toy nodes; each finds its number under ``partition-id`` and its state below ``folder``.

    ``vault`` seals their updates; without one they are sent in the clear. ``noise`` is the hospitals' privacy.
    """

    def build(context: Context, task: Task) -> Node:
        number = int(context.node_config["partition-id"])
        return Node(
            ToyLearner(number, schedule, dimension, examples=10 * (number % 4 + 1)),
            folder / task.lineage / str(number),
            toy_identity(number + 1),
            schedule,
            seed=0,
            clock=lambda: 0.0,
            durable=False,
            sealer=UpdateSealer(vault or Vault(), noise),
            limits=Limits(NO_UNIT if noise is None else HOSPITAL),
        )

    return make_app(build)


def toy_context(number: int) -> Context:
    """The context of toy node ``number``."""
    return Context(
        run_id=1, node_id=number + 1, node_config={"partition-id": number}, state=RecordDict(), run_config={}
    )
