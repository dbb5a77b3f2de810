"""Tags that add up: whether an opened sum is the weighted sum of the updates that it claims.

The tag of a vector f of unsigned fields is ``t = <rho, f> mod p`` with p = 2^61 - 1 (linearly homomorphic MACs, Agrawal
and Boneh, ACNS 2009). rho is a keystream of a key that hospitals share and the aggregator lacks. Tags add with the same
integer weights as the fields. Each travels masked, as the fields do: a tag in the clear would let whoever knows rho
confirm a guess of an update. Whoever lacks rho passes a changed sum with probability 1/p.

Only holders import this module.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.committee.fields import Words
from crossward.encryption.committee.masks import derive, keystream
from crossward.encryption.committee.statements import TAG_PRIME

_LIMB = 31  # bits of rho's lower limb: its product with 16 bits of a field, added 2^16 times, stays below 2^63
_ROW = 1 << 16
_WORD = np.dtype("<u8")


def tag_key(secret: bytes, lineage: str) -> bytes:
    """The key of rho for a lineage, of the consortium's secret."""
    return derive(secret, "rho", lineage)


def rho(key: bytes, first: int, count: int) -> NDArray[np.uint64]:
    """rho's entries ``first`` to ``first + count - 1``, 61 bits each."""
    return keystream(key, _WORD, first, count) & np.uint64(TAG_PRIME)


def dot(weights: NDArray[np.uint64], fields: Words) -> int:
    """``<weights, fields> mod p``: weights below 2^61, fields of up to 32 bits, both [n]."""
    total = 0
    for start in range(0, fields.size, _ROW):
        row, values = weights[start : start + _ROW], fields[start : start + _ROW].astype(np.uint64)
        low, high = row & np.uint64((1 << _LIMB) - 1), row >> np.uint64(_LIMB)
        limbs = [(values, 0)]
        if fields.dtype.itemsize > 2:
            limbs = [(values & np.uint64(0xFFFF), 0), (values >> np.uint64(16), 16)]
        for limb, shift in limbs:
            total += (int(np.dot(low, limb)) + (int(np.dot(high, limb)) << _LIMB)) << shift
    return total % TAG_PRIME


def tag(key: bytes, blocks: Iterable[tuple[int, Words]]) -> int:
    """The tag of a vector given as blocks (first field, fields)."""
    total = 0
    for first, fields in blocks:
        for start in range(0, fields.size, _ROW):
            piece = fields[start : start + _ROW]
            total += dot(rho(key, first + start, piece.size), piece)
    return total % TAG_PRIME
