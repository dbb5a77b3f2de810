"""The aggregator's face: integer combinations of parts, without any key.

One loop for every kind of part: a kind is a name and an ``Arithmetic`` that can combine parts of that kind.
Clear parts are bit-packed fields; sealed kinds register here too and are combined by the same call.

Not for: making or opening parts (``encryption.holder``), which needs a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from encryption.packing import CLEAR, Buffer, pack, packed_size, unpack


class Arithmetic(Protocol):
    """What the aggregator can do with one kind of part."""

    def check(self, data: Buffer, bits: int, count: int) -> str:
        """Why ``data`` cannot be a part of ``count`` fields of ``bits`` bits; empty when it can."""

    def combine(
        self,
        parts: Sequence[Buffer],
        weights: Sequence[int],
        bits_in: Sequence[int],
        bits_out: int,
        count: int,
    ) -> bytes:
        """``sum_i weights[i] * parts[i]``, field by field, as a part of ``bits_out`` bits a field."""


class ClearArithmetic:
    """Bit-packed unsigned fields."""

    def check(self, data: Buffer, bits: int, count: int) -> str:
        expected = packed_size(count, bits)
        if len(data) != expected:
            return f"a clear part of {count} fields of {bits} bits has {len(data)} bytes instead of {expected}"
        return ""

    def combine(
        self,
        parts: Sequence[Buffer],
        weights: Sequence[int],
        bits_in: Sequence[int],
        bits_out: int,
        count: int,
    ) -> bytes:
        total = np.zeros(count, dtype=np.int64)
        for data, weight, bits in zip(parts, weights, bits_in, strict=True):
            total += unpack(data, bits, count) * np.int64(weight)
        return pack(total, bits_out)


ARITHMETIC: dict[str, Arithmetic] = {CLEAR: ClearArithmetic()}
