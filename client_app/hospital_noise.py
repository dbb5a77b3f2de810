"""Hospital-level privacy at a node: bound the whole update, round it within the bound, add this hospital's noise.

Bounding comes after the residual is added, so error feedback cannot widen what a hospital does to a sum. The
integers' L2 norm is at most B, always, however the rounding fell: arXiv 2102.06387 (Section 3) rounds again until the
norm is below a bound widened for rounding, which depends on the adapter's dimension. Here B is the clip itself: where
rounding up took the norm beyond it, values that were rounded away from zero are, in random order, rounded towards
zero until it holds, which it does at the latest when all are. The price is a slightly shorter step where the clip
binds and values are small against a unit; what was cut so stays in the residual. In return nothing about the bound
depends on the dimension, and no probability of failure enters delta.

The residual holds what rounding cut off, never the noise, and not what clipping cut: that grows with every version in
which the clip binds, and a node then goes on sending directions in which nobody trains any more. Six hospitals with a
quadratic loss and a clip at a seventh of their first deltas end a hundredth of the way off their optimum without it,
and go around it at a quarter to half of the way with it (a test holds that).

With the noise come public constants in place of what a hospital would report about its notes: counts, losses, steps.

Not for: how much noise (``crossward.privacy.hospital``) or its distribution (``crossward.privacy.discrete``).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from client_app.quantise import Quantised, check_finite
from crossward.privacy.discrete import DiscreteGaussian, Source

if TYPE_CHECKING:
    from crossward.privacy.hospital import HospitalMechanism

_STRETCH = 1 << 20  # values worked on at a time


@dataclass(frozen=True)
class HospitalNoise:
    """One run's mechanism at a node. ``source`` gives secret random bytes; tests give their own."""

    mechanism: HospitalMechanism
    source: Source = os.urandom

    def quantise(
        self,
        delta: NDArray[np.float32],
        residual: NDArray[np.float32] | None,
        value_range: float,
        q_max: int,
        rng: np.random.Generator,
    ) -> Quantised:
        """``delta + residual`` (float32 [n]) bounded, rounded and noised; the residual is the rounding's alone.

        ``clipped`` is 0 whatever was cut: how much is a fact about the hospital's data.

        Raises
        ------
        ValueError
            the delta is not finite, or integers up to ``q_max`` are too coarse for the mechanism.
        """
        check_finite(delta)
        shares = self.mechanism.shares(q_max)
        made = bounded(delta, residual, value_range / q_max, shares.bound, rng)
        sampler = DiscreteGaussian(shares.sigma, shares.tail, self.source)
        out = np.empty(delta.size, dtype=np.min_scalar_type(-q_max))
        for start in range(0, delta.size, _STRETCH):
            here = slice(start, start + _STRETCH)
            out[here] = made.values[here] + sampler.draw(made.values[here].size)
        return Quantised(out, made.residual, 0.0)


def bounded(
    delta: NDArray[np.float32],
    residual: NDArray[np.float32] | None,
    unit: float,
    bound: int,
    rng: np.random.Generator,
) -> Quantised:
    """Integers (int32 [n]) of L2 norm at most ``bound`` close to ``(delta + residual) / unit``; what rounding left.

    Rounding is stochastic and unbiased but where the bound makes it turn back. ``clipped`` is the share of the norm
    that clipping cut off; it is the hospital's own to know.
    """

    def wanted(here: slice) -> NDArray[np.float64]:
        out = delta[here].astype(np.float64)
        return out if residual is None else out + residual[here]

    stretches = [slice(start, start + _STRETCH) for start in range(0, delta.size, _STRETCH)]
    norm = math.sqrt(sum(float(np.square(wanted(here)).sum()) for here in stretches))
    scale = 1.0 if norm <= bound * unit else bound * unit / norm * (1.0 - 1e-9)
    values, left = np.empty(delta.size, dtype=np.int32), np.empty(delta.size, dtype=np.float32)
    away, squares = np.empty(delta.size, dtype=bool), 0
    for here in stretches:
        scaled = wanted(here) * (scale / unit)
        rounded = np.floor(scaled + rng.random(scaled.shape))
        values[here], left[here] = rounded, (scaled - rounded) * unit
        away[here] = np.abs(rounded) > np.abs(scaled)
        squares += int(np.square(values[here], dtype=np.int64).sum())
    if squares > bound**2:
        squares -= _turn_back(values, left, np.flatnonzero(away), squares - bound**2, unit, rng)
    if squares > bound**2:
        raise ValueError(f"the integers' norm is {math.sqrt(squares)}, beyond {bound}: no update is sent")
    return Quantised(values, left, 1.0 - scale)


def _turn_back(
    values: NDArray[np.int32],
    left: NDArray[np.float32],
    away: NDArray[np.intp],
    excess: int,
    unit: float,
    rng: np.random.Generator,
) -> int:
    """Take one off the magnitude of as few of ``away`` as bring the squares down by ``excess``; by how much it is."""
    order = rng.permutation(away)
    gains = np.cumsum(2 * np.abs(values[order].astype(np.int64)) - 1)
    order = order[: int(np.searchsorted(gains, excess)) + 1]
    signs = np.sign(values[order])
    values[order] -= signs
    left[order] += (signs * unit).astype(np.float32)
    return int(gains[order.size - 1]) if order.size else 0
