"""A learner's model and training notes, as methods of personalisation use them.

Not for: the methods (``client_app.personal.methods``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from client_app.personal.split import Ints
from client_app.personal.trainer import Given
from client_app.training.loop import Pace
from client_app.training.measuring import measured
from client_app.training.trained import Vector

if TYPE_CHECKING:
    from client_app.training.learner import LoraLearner


class NotesTrainer:
    """A :class:`client_app.personal.trainer.Trainer`; ``observer`` gets step and loss of every training."""

    def __init__(self, learner: LoraLearner, observer: Callable[[int, float], None] | None = None) -> None:
        self.learner, self.observer = learner, observer
        self.split = learner.split

    def tune(self, given: Given, among: Ints | None = None) -> Vector:
        """A whole schedule of the run's form."""
        learner = self.learner
        schedule = replace(learner.schedule, versions=1, local_steps=given.steps, peak=given.peak)
        pace = Pace(cancelled=learner.cancelled)
        return learner.fit(given.start, given.steps, schedule, 0, given.seed, pace, self.observer, among).vector

    def loss(self, vector: Vector, among: Ints) -> float:
        """Mean loss, nats a token."""
        return measured(self.learner.measure("validation", vector, self.learner.train_tokens, among)).loss
