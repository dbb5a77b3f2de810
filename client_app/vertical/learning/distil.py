"""Students that predict alone: a party's model of its own features, from the joint model's predictions.

The joint model needs all parties' features of a patient. A student needs its own party's alone and is for all of that
party's patients, of whom few may be in common. It learns from soft predictions on those (arXiv 1503.02531) and, at the
label holder, from the outcomes of the others.

Not for: joint predictions (``client_app.vertical.learning.top``).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from client_app.vertical.learning.arrays import Doubles, Floats, Ints, LearningError
from client_app.vertical.learning.blocks import Blocks
from client_app.vertical.learning.bottoms.bottom import Bottom
from client_app.vertical.learning.fitting import Fit
from client_app.vertical.learning.splits import Split
from client_app.vertical.learning.top import JointModel, TopSettings


class Student:
    """A model of one party's features alone. ``bottom``'s own weights stay as they are: it trains a twin of it."""

    def __init__(self, bottom: Bottom, settings: TopSettings, seed: int) -> None:
        self.model = JointModel(bottom.twin(), (), dataclasses.replace(settings, balance=False), seed)
        self._alone = Blocks.scatter(len(bottom), [])

    def train(self, labels: Floats, split: Split, seed: int) -> Fit:
        """Train on the rows of ``split``, for which ``labels`` float32 [patients] in [0, 1] are outcomes or soft."""
        return self.model.train(self._alone, labels, split, seed)

    def predict(self, rows: Ints) -> Doubles:
        """Probabilities of the outcome of ``rows``, float64 [n]."""
        return self.model.predict(self._alone, rows)


def soft_labels(patients: int, rows: Ints, predictions: Doubles, outcomes: NDArray[np.uint8] | None = None) -> Floats:
    """What a student learns from, float32 [patients]: soft ``predictions`` of ``rows``, the outcome of others.

    NaN where there is neither.

    Raises
    ------
    LearningError
        a prediction is missing, or is no probability.
    """
    if len(predictions) != len(rows) or not ((predictions >= 0) & (predictions <= 1)).all():
        raise LearningError(f"{len(predictions)} predictions for {len(rows)} patients, expected one each, from 0 to 1.")
    labels = np.full(patients, np.nan, np.float32) if outcomes is None else outcomes.astype(np.float32)
    labels[rows] = predictions
    return labels


def student_split(rows: Ints, seed: int, *, validation: float = 0.2) -> Split:
    """Of the patients in common ``rows``, about the share ``validation`` stops a student's training; none is tested."""
    drawn = np.random.default_rng(seed).permutation(rows)
    count = round(validation * len(rows))
    return Split(np.sort(drawn[count:]), np.sort(drawn[:count]), np.zeros(0, np.int64))
