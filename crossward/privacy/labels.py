"""Randomised response on outcomes: an epsilon of labels for all that the label holder computes from them and returns.

What goes back to other parties for a training patient, a gradient or a target, tells that patient's outcome by its
direction (``crossward attack --scenario vertical --only labels``), whatever its length, and also where embeddings are
noised. If all that is returned is computed from randomised labels alone, models that were trained on the way included,
it is epsilon-differentially private in each patient's outcome (label privacy, arXiv 2102.06062), by post-processing.

Labels are randomised **once** and kept: every further draw of the same labels costs epsilon again. Neighbouring data sets
differ in one patient's outcome; that it is a training patient, and its features, are not what this protects.

Not for: features (``crossward.privacy.embeddings``).
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossward.privacy.noise import Floats

MOST = 30.0  # beyond, no outcome of ten billion is changed


def secret_uniforms(count: int) -> Floats:
    """Independent uniforms in [0, 1) from the operating system's randomness, float64 [count], multiples of 2^-53."""
    raw = np.frombuffer(secrets.token_bytes(8 * count), dtype=np.uint64)
    return np.asarray((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53)


@dataclass(frozen=True)
class RandomisedResponse:
    """An outcome is kept with probability e^epsilon / (1 + e^epsilon), else turned into the other one."""

    epsilon: float

    def __post_init__(self) -> None:
        if not 0.0 < self.epsilon <= MOST:
            raise ValueError(f"a label epsilon of {self.epsilon} was given; expected above 0 and at most {MOST:g}")

    @property
    def kept(self) -> float:
        """Probability that an outcome stays as it is."""
        return 1.0 / (1.0 + math.exp(-self.epsilon))

    def __call__(self, labels: ArrayLike, uniforms: Callable[[int], Floats] = secret_uniforms) -> NDArray[np.uint8]:
        """``labels`` [n] of 0 and 1, randomised, uint8 [n].

        Raises
        ------
        ValueError
            a label is neither 0 nor 1.
        """
        found = np.asarray(labels)
        if found.ndim != 1 or not np.isin(found, (0, 1)).all():
            raise ValueError("outcomes are to be 0 or 1, one a patient: randomised response is for two classes")
        turned = uniforms(len(found)) >= self.kept
        return np.where(turned, 1 - found, found).astype(np.uint8)
