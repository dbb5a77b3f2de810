"""The aggregator's face: integer combinations of parts, without any key.

One loop for every kind of part: a kind is a name and an ``Arithmetic`` that can combine parts of that kind.
Clear parts are bit-packed fields, sealed parts are BFV ciphertexts (or CKKS, the baseline), and the same call combines
them. :func:`arithmetic` says which kinds a run's policy allows at all.

Not for: making or opening parts (``crossward.encryption.holder``), which needs a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from crossward.config.encryption_settings import ALL, BFV, CKKS, NONE
from crossward.encryption.bfv import CIPHERTEXTS, SEALED, Bfv, CiphertextError
from crossward.encryption.packing import CLEAR, Buffer, pack, packed_size, unpack
from crossward.encryption.plan import FRESH_BYTES, SUM_BYTES, FieldPlan


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
        total = np.zeros(count, dtype=np.int64) if plain is None else plain.copy()
        for data, weight, bits in zip(parts, weights, bits_in, strict=True):
            total += unpack(data, bits, count) * np.int64(weight)
        return pack(total, bits_out)


class BfvArithmetic:
    """BFV ciphertexts of a plan: ``sum_i w_i c_i + plain`` by plaintext operations, exact within the plan."""

    def __init__(self, plan: FieldPlan) -> None:
        self.bfv = Bfv(plan)
        self._evaluator = seal.Evaluator(self.bfv.context)

    def check(self, data: Buffer, bits: int, count: int) -> str:
        if not 1 <= count <= CIPHERTEXTS * self.bfv.capacity:
            return f"a sealed part of {count} fields, expected 1 to {CIPHERTEXTS * self.bfv.capacity}"
        expected = self.bfv.ciphertexts(count) * FRESH_BYTES
        if len(data) != expected:
            return f"a sealed part of {count} fields has {len(data)} bytes, expected {expected} of fresh ciphertexts"
        return self.bfv.check(data, fresh=True)

    def combine(
        self,
        parts: Sequence[Buffer],
        weights: Sequence[int],
        bits_in: Sequence[int],
        bits_out: int,
        count: int,
        plain: NDArray[np.int64] | None = None,
    ) -> bytes:
        number = self.bfv.ciphertexts(count)
        sizes = [len(data) // max(number, 1) for data in parts]
        for data, size in zip(parts, sizes, strict=True):
            if size not in (FRESH_BYTES, SUM_BYTES) or size * number != len(data):
                raise CiphertextError(f"a sealed part of {count} fields has {len(data)} bytes")
        if min(weights) < 1 or bits_out > self.bfv.bits:
            raise CiphertextError(f"weights {list(weights)} into {bits_out} bits do not fit {self.bfv.bits}-bit fields")
        factors = [seal.Plaintext(f"{weight:x}") for weight in weights]
        out = []
        for index in range(number):
            total = None
            for data, size, weight, factor in zip(parts, sizes, weights, factors, strict=True):
                term = self.bfv.load(memoryview(data)[index * size : (index + 1) * size])
                if weight > 1:
                    self._evaluator.multiply_plain_inplace(term, factor)
                if total is None:
                    total = term
                else:
                    self._evaluator.add_inplace(total, term)
            if plain is not None:
                self._evaluator.add_plain_inplace(total, self._encoded(plain[index * self.bfv.capacity :]))
            out.append(self.bfv.words(total))
        return b"".join(out)

    def _encoded(self, fields: NDArray[np.int64]) -> Any:
        """The first ciphertext's worth of ``fields`` as a plaintext."""
        encoded = seal.Plaintext()
        self.bfv.encoder.encode(self.bfv.to_slots(fields[: self.bfv.capacity]).tolist(), encoded)
        return encoded


Kinds = Mapping[str, Arithmetic]


def clear_arithmetic() -> Kinds:
    """The kinds of a run without encryption."""
    return {CLEAR: ClearArithmetic()}


def arithmetic(plan: FieldPlan, policy: str, scheme: str = BFV) -> Kinds:
    """The kinds that a run with ``policy`` and ``scheme`` accepts; whatever is not here is refused."""
    kinds: dict[str, Arithmetic] = {}
    if policy != NONE and scheme == BFV:
        kinds[SEALED] = BfvArithmetic(plan)
    elif policy != NONE:
        from crossward.encryption.ckks import parameters
        from crossward.encryption.ckks_aggregator import CkksArithmetic

        kinds[CKKS] = CkksArithmetic(parameters())
    if policy != ALL:
        kinds[CLEAR] = ClearArithmetic()
    return kinds
