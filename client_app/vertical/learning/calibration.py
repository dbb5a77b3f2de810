"""Platt's scaling: from a model's logits to probabilities that are as often right as they say (Platt, 1999).

Targets are smoothed as Platt's paper does, so that a few patients who are separated do not give infinite slopes.

Not for: measuring calibration (``client_app.vertical.learning.metrics``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from client_app.vertical.learning.arrays import Doubles


@dataclass(frozen=True)
class Platt:
    """probability = sigmoid(slope * logit + intercept)."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, logits: Doubles) -> Doubles:
        """Probabilities float64, shaped as ``logits``."""
        probabilities: Doubles = expit(self.slope * logits + self.intercept)
        return probabilities


def platt(logits: Doubles, labels: Doubles) -> Platt:
    """The scaling that makes ``labels`` in [0, 1] likeliest; the slope is 0 or more.

    With one class alone, or no row, the identity: there is nothing to calibrate on.
    """
    positive = float(labels.sum())
    negative = len(labels) - positive
    if min(positive, negative) < 1:
        return Platt()
    high, low = (positive + 1) / (positive + 2), 1 / (negative + 2)
    wanted = low + labels * (high - low)

    def loss(at: Doubles) -> float:
        z = at[0] * logits + at[1]
        return float(np.mean(np.logaddexp(0.0, z) - wanted * z))

    start = np.array([1.0, np.log(positive / negative)])
    found = minimize(loss, start, method="L-BFGS-B", bounds=[(0.0, 20.0), (-20.0, 20.0)])
    return Platt(float(found.x[0]), float(found.x[1]))
