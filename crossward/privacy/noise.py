"""Gaussian noise from the operating system's randomness, and generators for what else must be secret.

Noise that others can draw again protects nobody, so nothing here is seeded by a run's seed: normals are made from
``secrets`` (a cryptographic generator) by the inverse of the normal distribution function. torch's CPU generator would
not do: whatever its seed, it has 32 bits of it.

What this does not protect against: floating-point numbers are not reals. The values that a float64 normal can take
have gaps, and from a sum that is published to its last bit one can at times tell which one it cannot have been
(Mironov, CCS 2012, doi 10.1145/2382196.2382264). The noise here is made and added in float64 and the sum then rounded
to float32; what leaves a node is, after several optimiser steps, rounded again to a grid of a few bits
(``client_app.update.quantise``), so that no such bits are published. That is mitigation, not a proof: the accountants
speak of real numbers. Rounding couples sequences, too: matrix products of another shape add up in another order, so
that in bf16 (8 bits of mantissa) a sequence's gradient differs in its last bits with what else was in its pass, where
the accountants take it for a function of that sequence alone. Nor are times and message sizes covered.

Not for: how much noise (``crossward.privacy.accounting``).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_CHUNK = 1 << 20


def secret_normals(count: int) -> Floats:
    """Independent standard normals, float64 [count]; beyond 8.2 standard deviations (2**-53) there are none."""
    from scipy.special import ndtri  # takes time to import, and a member of the committee draws none

    out = np.empty(count)
    for start in range(0, count, _CHUNK):
        part = out[start : start + _CHUNK]
        raw = np.frombuffer(secrets.token_bytes(8 * len(part)), dtype=np.uint64)
        tail = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-54  # in (0, 1/2): fine where it is small
        ndtri(tail, out=part)
        part[(raw & np.uint64(1)).astype(bool)] *= -1.0
    return out


def secret_seed() -> int:
    """128 bits that nobody else knows."""
    return secrets.randbits(128)


@dataclass(frozen=True)
class Randomness:
    """Where a mechanism's randomness comes from; tests put known numbers in its place."""

    normals: Callable[[int], Floats] = secret_normals
    seed: Callable[[], int] = secret_seed


SECRET = Randomness()
