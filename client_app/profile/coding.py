"""Counts as an update's values, and what a version of them says.

A version is ``sum_k w_k q_k`` with the same weight w for each hospital, and a dither of up to W for each of its
carriers. So a hospital's value is its count in units of ``UNIT``, times a ``scale`` that keeps what dithers add
below half a unit; the first value is a constant, from which the sum of the weights follows.

Before they leave, counts below ``LEAST`` become 0 and others are rounded to ``UNIT``, as statistical offices do with
small numbers: nobody can infer one patient from a cell, nor from the difference between two profiles. Beside every
count a hospital says whether it has the cell at all, so that a sum tells how many hospitals do.

Not for: counting (``data.profile``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from client_app.training.trained import Vector
from crossward.config.run_config import RunConfig
from crossward.encryption.plan import FieldPlan

Ints = npt.NDArray[np.int64]
LEAST, UNIT = 10, 10  # the hospital's own, no run changes them
SPREAD = 16  # times K + 1: the dithers of a dozen carriers, of a committee as large as one can be, are half a unit


class ProfileError(ValueError):
    """A version does not hold a sum of counts; says why."""


@dataclass(frozen=True)
class Totals:
    """What a profile says: of ``hospitals`` hospitals, the sum of each cell's counts, and how many of them have it.

    ``counts`` and ``having`` are int64 [cells]; counts are sums of multiples of ``UNIT``.
    """

    hospitals: int
    counts: Ints
    having: Ints


@dataclass(frozen=True)
class Coding:
    """Counts of at most ``hospitals`` hospitals (K) under ``plan``."""

    hospitals: int
    plan: FieldPlan

    @classmethod
    def of(cls, config: RunConfig) -> Coding:
        """That of a profile run with ``config``."""
        assert config.encryption.bits is not None  # noqa: S101 - for mypy: a profile run's plan is given
        return cls(config.strategy.buffer_size, FieldPlan(*config.encryption.bits))

    @property
    def scale(self) -> int:
        """What one unit of a count is among the plan's integers."""
        return SPREAD * (self.hospitals + 1)

    @property
    def most(self) -> int:
        """The largest count that a hospital can state; a larger one is stated as this."""
        return self.plan.q_max // self.scale * UNIT

    def rounded(self, counts: npt.NDArray[np.integer]) -> Ints:
        """Counts as they leave the hospital: 0 below ``LEAST``, else the nearest multiple of ``UNIT``."""
        units = (np.minimum(counts, self.most) + UNIT // 2) // UNIT
        return np.where(counts < LEAST, 0, units * UNIT).astype(np.int64)

    def encode(self, counts: npt.NDArray[np.integer]) -> Vector:
        """Values of an update of ``counts`` [cells], float32 [1 + 2 cells] within [0, 1]."""
        stated = self.rounded(counts)
        values = np.concatenate([[self.plan.q_max], stated // UNIT * self.scale, (stated > 0) * self.scale])
        return (values / self.plan.q_max).astype(np.float32)

    def decode(self, vector: Vector) -> Totals:
        """What a version says, ``vector`` being ``sum_k w_k q_k / (W q_max)``, float32 [1 + 2 cells].

        Raises
        ------
        ProfileError
            it is no sum of updates that :meth:`encode` makes, all with the same weight.
        """
        sums = vector.astype(np.float64) * self.plan.total_weight
        units, hospitals = self._units(sums[1:] * (self.plan.q_max / self.scale), round(float(sums[0])))
        counts, having = np.split(np.rint(units).astype(np.int64), 2)
        if min(counts.min(), having.min()) < 0 or having.max() > hospitals:
            raise ProfileError(
                f"a cell holds {counts.min() * UNIT} notes, or {having.max()} of {hospitals} hospitals have it: a "
                "hospital stated values that are no counts"
            )
        return Totals(hospitals, counts * UNIT, having)

    def _units(self, weighed: npt.NDArray[np.float64], total: int) -> tuple[npt.NDArray[np.float64], int]:
        """Sums of units, but for what dithers add, and of how many hospitals, from weighed ones and their weights' sum.

        A weight is a K-th part of W, or where a committee's dithers leave less room, of W - 1. Where the sum allows
        both, it is the one that makes whole numbers of the sums.
        """
        found = []
        for weight in {self.plan.total_weight // self.hospitals, (self.plan.total_weight - 1) // self.hospitals}:
            if total >= weight and total % weight == 0 and total // weight <= self.hospitals:
                units = weighed / weight
                found.append((float(np.abs(units - np.rint(units)).sum()), units, total // weight))
        if not found:
            raise ProfileError(
                f"weights of {total} are not those of up to {self.hospitals} hospitals with the same weight: a "
                "hospital stated another constant, or updates were weighed differently"
            )
        _, units, hospitals = min(found, key=lambda one: one[0])
        return units, hospitals
