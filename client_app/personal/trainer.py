"""What a method of personalisation works with: a hospital's training, its validation, and what it starts from.

Not for: the methods (``client_app.personal.methods``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from client_app.personal.split import Ints, Split
from client_app.training.trained import Vector


@dataclass(frozen=True)
class Given:
    """What a personal adapter is made of: ``start``, the global adapter, and ``alone``, the hospital's own or None.

    Vectors are float32 [total]. A training takes ``steps`` steps at rates that fall from ``peak``; ``seed`` decides
    everything random.
    """

    start: Vector
    alone: Vector | None
    steps: int
    peak: float
    seed: int


class Trainer(Protocol):
    """A hospital's model and training notes. Notes are chosen by their positions, int64."""

    @property
    def split(self) -> Split | None:
        """Those that decide how far to train, and the others; None where a single patient cannot be spared."""

    def tune(self, given: Given, among: Ints | None = None) -> Vector:
        """The adapter after ``given.steps`` steps from ``given.start`` on the notes ``among`` (None: all of them)."""

    def loss(self, vector: Vector, among: Ints) -> float:
        """Mean loss of an adapter over the notes ``among``, nats a token."""
