"""The aggregator's face: integer combinations of parts, without any key.

One loop for every kind of part: a kind is a name and an ``Arithmetic`` that can combine parts of that kind.
Clear parts are bit-packed fields, sealed parts those of a scheme (``crossward.config.encryption_schemes``), a module of
this package each, and the same call combines them. :func:`arithmetic` says which kinds a run's policy allows at all.

Not for: making or opening parts (``crossward.encryption.holder``), which needs a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crossward.config.encryption_schemes import BFV, SCHEMES
from crossward.config.encryption_settings import ALL, NONE
from crossward.encryption.packing import CLEAR, Buffer, pack, packed_size, unpack
from crossward.encryption.plan import FieldPlan


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
        plain: NDArray[np.int64] | None = None,
    ) -> bytes:
        """``sum_i weights[i] * parts[i] + plain``, field by field, as a part of ``bits_out`` bits a field.

        ``plain`` is int64 [count], not negative; None adds nothing.
        """


class ClearArithmetic:
    """Bit-packed unsigned fields."""

    def check(self, data: Buffer, bits: int, count: int) -> str:
        """Why ``data`` does not hold ``count`` packed fields of ``bits`` bits: its length; empty when it may."""
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
        plain: NDArray[np.int64] | None = None,
    ) -> bytes:
        """The weighted sum of the fields, packed into ``bits_out`` bits each."""
        total = np.zeros(count, dtype=np.int64) if plain is None else plain.copy()
        for data, weight, bits in zip(parts, weights, bits_in, strict=True):
            total += unpack(data, bits, count) * np.int64(weight)
        return pack(total, bits_out)


Kinds = Mapping[str, Arithmetic]


def clear_arithmetic() -> Kinds:
    """The kinds of a run without encryption."""
    return {CLEAR: ClearArithmetic()}


def arithmetic(plan: FieldPlan, policy: str, scheme: str = BFV) -> Kinds:
    """The kinds that a run with ``policy`` and ``scheme`` accepts; whatever is not here is refused."""
    kinds: dict[str, Arithmetic] = {}
    if policy != NONE:
        kinds[scheme] = resolve_name(f"crossward.encryption.aggregator.{SCHEMES[scheme].arithmetic}")(plan)
    if policy != ALL:
        kinds[CLEAR] = ClearArithmetic()
    return kinds
