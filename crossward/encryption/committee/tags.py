"""Tags that add up: whether an opened sum is the weighted sum of the updates that it claims.

The tag of a vector f of unsigned fields is ``t = <rho, f> mod p`` with p = 2^61 - 1 (linearly homomorphic MACs, Agrawal
and Boneh, ACNS 2009). rho is a keystream of a key that hospitals share and the aggregator lacks. Tags add with the same
integer weights as the fields. Each travels masked, as the fields do: a tag in the clear would let whoever knows rho
confirm a guess of an update. Whoever lacks rho passes a changed sum with probability 1/p.

Only holders import this module.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.committee.fields import Words
from crossward.encryption.committee.masks import derive
from crossward.encryption.committee.statements import TAG_PRIME
from crossward.encryption.keystream import keystream

_LIMB = 31  # bits of rho's lower limb: its product with 16 bits of a field, added 2^16 times, stays below 2^63
_ROW = 1 << 16
_WORD = np.dtype("<u8")


def tag_key(secret: bytes, lineage: str) -> bytes:
    """The key of rho for a lineage, of the consortium's secret."""
    return derive(secret, "rho", lineage)


def rho(key: bytes, first: int, count: int) -> NDArray[np.uint64]:
    """rho's entries ``first`` to ``first + count - 1``, 61 bits each."""
    stream = keystream(key, _WORD, first, count)
    stream &= np.uint64(TAG_PRIME)
    return stream


class _Work(threading.local):
    """A thread's own arrays: new ones for every row cost more in page faults than the products."""

    def __init__(self) -> None:
        self.limb, self.values = np.empty((2, _ROW), dtype=np.uint64)


_work = _Work()


def dot(weights: NDArray[np.uint64], fields: Words) -> int:
    """``<weights, fields> mod p``: weights below 2^61, fields of up to 32 bits, both [n]."""
    total = 0
    for start in range(0, fields.size, _ROW):
        row, part = weights[start : start + _ROW], fields[start : start + _ROW]
        limb, values = _work.limb[: part.size], _work.values[: part.size]
        for shift in (0, 16) if fields.dtype.itemsize > 2 else (0,):
            np.right_shift(part, part.dtype.type(shift), out=values)
            values &= np.uint64(0xFFFF)
            np.bitwise_and(row, np.uint64((1 << _LIMB) - 1), out=limb)
            total += int(np.dot(limb, values)) << shift
            np.right_shift(row, np.uint64(_LIMB), out=limb)
            total += int(np.dot(limb, values)) << (shift + _LIMB)
    return total % TAG_PRIME


def tag(key: bytes, blocks: Iterable[tuple[int, Words]]) -> int:
    """The tag of a vector given as blocks (first field, fields)."""
    total = 0
    for first, fields in blocks:
        for start in range(0, fields.size, _ROW):
            piece = fields[start : start + _ROW]
            total += dot(rho(key, first + start, piece.size), piece)
    return total % TAG_PRIME
