"""The holder's face of the CKKS baseline: signed integers into TenSEAL vectors and back, exactly.

CKKS computes with small errors. The values are quantised integers, so rounding a decryption to the nearest integer
gives the exact sum, and nothing of the noise leaves this module.

Not for: adding (``crossward.encryption.aggregator.ckks``), or a run that can use BFV
(``crossward.encryption.holder.bfv``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tenseal as ts
from numpy.typing import NDArray

from crossward.encryption.ckks import (
    CHUNK,
    MAX_SUM_BITS,
    MAX_WEIGHT_BITS,
    MODULUS_BITS,
    RING,
    SCALE,
    SEALED_CKKS,
    SLOTS,
    CkksError,
    join,
    load_context,
    read,
    serialise,
)
from crossward.encryption.packing import Buffer
from crossward.encryption.plan import FieldPlan

FARTHEST = 0.25  # from an integer, that a decrypted value may be


def _new_context() -> Any:
    """A TenSEAL context with a secret key of its own."""
    context = ts.context(
        ts.SCHEME_TYPE.CKKS,
        poly_modulus_degree=RING,
        coeff_mod_bit_sizes=list(MODULUS_BITS),
        encryption_type=ts.ENCRYPTION_TYPE.SYMMETRIC,
        n_threads=1,
    )
    context.global_scale = SCALE
    return context


def make_context() -> tuple[bytes, bytes]:
    """A new key: the context with it (about 165 kB, for hospitals), and without any (92 bytes, for the aggregator)."""
    context = _new_context()
    return serialise(context, secret=True), serialise(context, secret=False)


def public_context(context: bytes) -> bytes:
    """What the aggregator needs of the hospitals' ``context``."""
    return serialise(load_context(context), secret=False)


class CkksSealer:
    """Makes and opens parts of kind ``ckks`` under the hospitals' context.

    Parameters
    ----------
    plan : value bits give the range of what is sealed, weight and guard bits that of sums.
    context : serialised TenSEAL context with the secret key (:func:`make_context`).

    Raises
    ------
    CkksError
        no context with a secret key and these parameters, or a plan whose sums would not be exact.
    """

    kind = SEALED_CKKS
    chunk = CHUNK

    def __init__(self, plan: FieldPlan, context: bytes) -> None:
        weight_bits = plan.weight_bits + plan.guard_bits
        if weight_bits > MAX_WEIGHT_BITS or plan.value_bits + weight_bits > MAX_SUM_BITS:
            raise CkksError(
                f"the baseline's sums are exact up to {MAX_WEIGHT_BITS} weight and guard bits and {MAX_SUM_BITS} bits "
                f"in all, got {weight_bits} and {plan.value_bits + weight_bits}: lower the bits of "
                "encryption.plan"
            )
        loaded = load_context(context)
        if not loaded.has_secret_key():
            raise CkksError("this CKKS context holds no secret key: hospitals need the one from the key file")
        self._plan = plan
        self._context = loaded

    def __repr__(self) -> str:
        return f"CkksSealer({self._plan})"

    def seal(self, values: NDArray[Any]) -> bytes:
        """int64 [n] in [-q_max, q_max], 1 <= n <= ``chunk``, as a part with fresh randomness.

        Raises
        ------
        CkksError
            no value, too many, or one out of range.
        """
        if not 1 <= values.size <= self.chunk:
            raise CkksError(f"{values.size} values in a part: expected 1 to {self.chunk}")
        if max(int(values.max()), -int(values.min())) > self._plan.q_max:
            raise CkksError(
                f"a quantised value exceeds q_max = {self._plan.q_max} of {self._plan.value_bits} value bits"
            )
        exact = values.astype(np.float64)
        starts = range(0, exact.size, SLOTS)
        return join([ts.ckks_vector(self._context, exact[at : at + SLOTS]).serialize() for at in starts])

    def open(self, data: Buffer, bits: int, count: int, weight_sum: int, dithered: int = 0) -> NDArray[np.int64]:
        """``sum w*q``, int64 [count], of a part that is that, of weights ``weight_sum``, and ``dithered`` dithers.

        ``bits`` is unused. What the dithers' mean leaves of them stays in the values.

        Raises
        ------
        CkksError
            no part of ``count`` values, another key's, or one whose values are no integers within
            ``weight_sum * q_max``.
        """
        opened = [np.asarray(vector.decrypt(), dtype=np.float64) for vector in read(self._context, data, count)]
        exact = np.concatenate(opened) if opened else np.zeros(0)
        exact -= self._plan.dither_mean * dithered
        most = self._plan.largest_sum(weight_sum, dithered)
        rounded = np.rint(exact)
        farthest = float(np.abs(exact - rounded).max(initial=0.0))
        largest = float(np.abs(rounded).max(initial=0.0))
        # "not below" so that a decryption that is not a number is refused too
        if not farthest < FARTHEST or not largest <= most:
            raise CkksError(
                f"a CKKS part opens to values up to {largest:.4g} (at most {most} expected), "
                f"{farthest:.3g} away from integers (below {FARTHEST} expected): it was made under another key, or "
                "its weights do not sum to what it says"
            )
        return rounded.astype(np.int64)
