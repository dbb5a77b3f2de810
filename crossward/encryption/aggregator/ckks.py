"""The aggregator's face of the CKKS baseline: integer combinations of TenSEAL vectors, without any key.

A weight is applied by doubling and adding, never by TenSEAL's product. The product rescales and then writes the old
scale over the new one, which is off by about 1e-6 (values of 20 bits come out wrong by 1), and it costs the one level
that these parameters have, so that nothing can be multiplied again. Sums stay at the level and scale of fresh
ciphertexts: a version with weights, one without, and any sum of versions can be added to one another.

Not for: making or opening parts (``crossward.encryption.holder.ckks``), which needs a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.ckks import CHUNK, MAX_SUM_BITS, SLOTS, CkksError, join, load_context, parameters, read
from crossward.encryption.packing import Buffer
from crossward.encryption.plan import FieldPlan


class CkksArithmetic:
    """Implements ``crossward.encryption.aggregator.Arithmetic`` under a context without a secret key.

    Raises
    ------
    CkksError
        ``public_context`` is no context of these parameters, or holds a secret key.
    """

    def __init__(self, public_context: bytes) -> None:
        context = load_context(public_context)
        if context.has_secret_key():
            raise CkksError(
                "this CKKS context holds the secret key, and the aggregator must not hold a key: give it the public "
                "context (crossward keys show KEYFILE --public-context OUT), and make a new "
                "key, because "
                "this one has been here"
            )
        self._context = context

    def check(self, data: Buffer, bits: int, count: int) -> str:
        """Why ``data`` cannot be a part of ``count`` values whose magnitudes take ``bits`` bits; empty when it can."""
        if not 1 <= count <= CHUNK:
            return f"a CKKS part of {count} values: expected 1 to {CHUNK}"
        if not 1 <= bits <= MAX_SUM_BITS:
            return f"a CKKS part of {bits} bits a value: expected 1 to {MAX_SUM_BITS}"
        try:
            for _ in read(self._context, data, count):
                pass
        except CkksError as error:
            return str(error)
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
        """``sum_i weights[i] * parts[i] + plain``, value by value. The sizes in bits only have to be possible ones.

        Raises
        ------
        CkksError
            a part is none of ``count`` values, a weight is negative or all are zero, or a sum cancels to nothing.
        """
        if not 1 <= bits_out <= MAX_SUM_BITS:
            raise CkksError(f"a CKKS sum of {bits_out} bits a value: expected 1 to {MAX_SUM_BITS}")
        if not len(parts) == len(weights) == len(bits_in):
            raise CkksError(f"{len(parts)} parts, {len(weights)} weights and {len(bits_in)} sizes do not match")
        if min(weights, default=0) < 0 or not any(weights):
            raise CkksError(f"weights {list(weights)}: expected none negative and one or more above zero")
        used = [(data, weight) for data, weight in zip(parts, weights, strict=True) if weight]
        columns = zip(*(read(self._context, data, count) for data, _ in used), strict=True)
        try:
            totals = [_combine(column, [weight for _, weight in used]) for column in columns]
            if plain is not None:
                for number, total in enumerate(totals):
                    total.add_(plain[number * SLOTS : (number + 1) * SLOTS].astype(np.float64).tolist())
            return join([total.serialize() for total in totals])
        except RuntimeError as error:  # what SEAL makes of parts that were chosen to cancel one another
            raise CkksError(f"the parts cannot be added ({error})") from error


def of_plan(plan: FieldPlan) -> CkksArithmetic:
    """The arithmetic of a run: under the one context without a key, whatever the plan."""
    return CkksArithmetic(parameters())


def _combine(vectors: Sequence[Any], weights: Sequence[int]) -> Any:
    """``sum_i weights[i] * vectors[i]`` by Horner's rule over the weights' bits, highest first."""
    total: Any = None
    for bit in reversed(range(max(weights).bit_length())):
        if total is not None:
            total.add_(total)
        for vector, weight in zip(vectors, weights, strict=True):
            if weight >> bit & 1:
                if total is None:  # a copy of the ciphertext alone: the binding's copy() takes the whole context along
                    total = vector.neg().neg_() if bit else vector
                else:
                    total.add_(vector)
    return total
