"""Real numbers as whole numbers of a fixed step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossward.encryption.forward.library import ForwardError

LEAST_BITS, MOST_BITS = 4, 24


@dataclass(frozen=True)
class FixedPoint:
    """Numbers in [-bound, bound] as integers of ``bits`` bits, sign included: the step is bound / (2^(bits-1) - 1)."""

    bound: float
    bits: int = 16

    def __post_init__(self) -> None:
        if not (0.0 < self.bound < float("inf")):
            raise ForwardError(f"fixed point: a bound of {self.bound} was given; it is above 0 and finite")
        if not LEAST_BITS <= self.bits <= MOST_BITS:
            raise ForwardError(f"fixed point: {self.bits} bits were given; expected {LEAST_BITS} to {MOST_BITS}")

    @property
    def largest(self) -> int:
        """The integer that stands for the bound."""
        return (1 << (self.bits - 1)) - 1

    @property
    def step(self) -> float:
        """What an integer of 1 stands for. Rounding is off by half of it at most."""
        return self.bound / self.largest

    def encode(self, values: ArrayLike, what: str) -> NDArray[np.int64]:
        """``values`` rounded to the nearest multiple of the step, int64 of the same shape.

        Raises
        ------
        ForwardError
            a value is not a finite number or lies beyond the bound; ``what`` names them in the message.
        """
        found = np.asarray(values, dtype=np.float64)
        if not np.isfinite(found).all():
            raise ForwardError(f"{what}: {int((~np.isfinite(found)).sum())} values are not finite numbers")
        # a clipped float32 may exceed its bound by a rounding error, which is cut off here
        if found.size and float(np.abs(found).max()) > self.bound * (1.0 + 1e-6):
            raise ForwardError(f"{what}: values lie beyond the bound of {self.bound:g}; clip them, or raise the bound")
        return np.clip(np.rint(found / self.step), -self.largest, self.largest).astype(np.int64)
