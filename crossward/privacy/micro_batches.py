"""Gradients averaged in micro-batches before they are clipped, as EFLS's optimiser does; with what that costs.

Averaging first means that clipping cuts less, for a mean of m gradients is shorter than they are. Its price: with one
patient more or less a group's mean may turn from any vector of length C to any other, so the sum's sensitivity is 2C
(arXiv 2303.00654, section 5.6), whatever m is, where it is C for patients clipped one by one.

A step. The caller samples patients independently with probability q; each is put at random into one of a *fixed* number
of groups; groups are averaged, clipped and summed; noise ``N(0, (2 C z)^2)`` is added; the sum is divided by the number
of groups. There is no remainder: groups differ in size, and an empty one counts as zero. Cutting the sampled patients
into consecutive groups would not do, for without one of them all later groups would shift. The privacy unit is a
patient, whose gradient is zeroed (:mod:`crossward.privacy.accounting`).

What EFLS's own code does instead (its module ``dp_optimizer``), each shown in this module's tests:

- it takes the sensitivity for C, so that its noise is half of what its accountant's epsilon needs;
- where the micro-batches do not divide a batch, it silently makes as many micro-batches as there are examples;
- without a clip norm its noise on a value is that value times a normal number: zeros stay zeros, most signs stay,
  and no noise multiplier gives an epsilon;
- its noise multiplier is 0 unless set.

Not for: sequences of notes (``crossward.privacy.clipping``), which are grouped before their gradients are taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossward.privacy.accounting import Spent
from crossward.privacy.noise import Floats, secret_normals

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class MicroBatches:
    """``batch`` patients a step on average, in micro-batches of ``size``, clipped to ``clip`` in L2.

    ``noise_multiplier`` is the accountant's: in units of the sensitivity.
    """

    clip: float
    noise_multiplier: float
    batch: int
    size: int

    def __post_init__(self) -> None:
        if not 0.0 < self.clip < math.inf:
            raise ValueError(
                f"micro-batches are to be clipped to {self.clip}; expected a number above 0: noise hides what is "
                "bounded"
            )
        if not 1 <= self.size <= self.batch:
            raise ValueError(
                f"micro-batches of {self.size} patients in a batch of {self.batch}; expected 1 to the batch"
            )
        self.spent(1.0, 0)  # which checks the multiplier

    @property
    def groups(self) -> int:
        """Groups of a step, empty or not."""
        return math.ceil(self.batch / self.size)

    @property
    def sensitivity(self) -> float:
        """Most that the sum of clipped groups changes, in L2, when one patient's gradient is zeroed or left out."""
        return self.clip if self.size == 1 else 2.0 * self.clip

    def assign(self, patients: int, generator: np.random.Generator) -> Ints:
        """The group of each of ``patients`` sampled patients, int64 [patients]; ``generator`` has a secret seed.

        Micro-batches of one are groups of their own, however many were sampled.
        """
        return np.arange(patients) if self.size == 1 else generator.integers(self.groups, size=patients)

    def clipped_sum(self, gradients: ArrayLike, groups: ArrayLike) -> Floats:
        """Sum over groups of ``min(1, C / |mean|) mean``, float64 [d], of a gradient a patient, [patients, d].

        A group whose mean is not finite counts as zero: stopping there would reveal it.

        Raises
        ------
        ValueError
            gradients and groups are not of as many patients.
        """
        rows, where = np.asarray(gradients, dtype=np.float64), np.asarray(groups, dtype=np.int64)
        if rows.ndim != 2 or where.shape != rows.shape[:1]:
            raise ValueError(f"gradients of shape {rows.shape} and {where.shape[0]} groups; expected a row a patient")
        if not len(rows):
            return np.zeros(rows.shape[1])
        sums = np.zeros((int(where.max()) + 1, rows.shape[1]))
        np.add.at(sums, where, rows)
        means = sums / np.maximum(np.bincount(where, minlength=len(sums)), 1)[:, None]
        means[~np.isfinite(means).all(axis=1)] = 0.0
        norms = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray((means * np.minimum(1.0, self.clip / np.maximum(norms, 1e-300))).sum(axis=0))

    def __call__(
        self, gradients: ArrayLike, generator: np.random.Generator, normals: Callable[[int], Floats] = secret_normals
    ) -> Floats:
        """The noised mean gradient of the sampled patients' [patients, d], float64 [d]; the noise sees no data."""
        rows = np.asarray(gradients, dtype=np.float64)
        total = self.clipped_sum(rows, self.assign(len(rows), generator))
        return (total + self.noise_multiplier * self.sensitivity * normals(total.size)) / self.groups

    def spent(self, sampling_rate: float, steps: int) -> Spent:
        """What ``steps`` steps are to an accountant."""
        return Spent(sampling_rate, self.noise_multiplier, steps)
