"""The aggregator's face of BFV: integer combinations of its ciphertexts, without any key.

Not for: making or opening parts (``crossward.encryption.holder.bfv``), which needs a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from crossward.encryption.bfv import CIPHERTEXTS, Bfv
from crossward.encryption.packing import Buffer, CiphertextError
from crossward.encryption.plan import FRESH_BYTES, SUM_BYTES, FieldPlan


class BfvArithmetic:
    """BFV ciphertexts of a plan: ``sum_i w_i c_i + plain`` by plaintext operations, exact within the plan."""

    def __init__(self, plan: FieldPlan) -> None:
        self.bfv = Bfv(plan)
        self._evaluator = seal.Evaluator(self.bfv.context)

    def check(self, data: Buffer, bits: int, count: int) -> str:
        """Why ``data`` is not fresh ciphertexts of ``count`` fields of this plan; empty when it is."""
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
        """The weighted sum under encryption, one ciphertext after the other; the plan leaves room for it."""
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
