"""The holder's face: signed integers into parts and parts back into signed integers.

Only hospitals and the evaluation import this module; the aggregator never does (an import-contract test
holds that).

Not for: adding parts (``encryption.aggregator``) or making integers from floats (``client_app.quantise``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from encryption.packing import Buffer, pack, unpack
from encryption.plan import FieldPlan


def close_clear(values: NDArray[np.int64], plan: FieldPlan) -> bytes:
    """A node's clear part: int64 [n] in [-q_max, q_max] as unsigned fields of ``plan.update_bits``."""
    if values.size and int(np.abs(values).max()) > plan.q_max:
        raise ValueError(f"a quantised value exceeds q_max = {plan.q_max} of {plan.value_bits} value bits")
    return pack(values + plan.offset, plan.update_bits)


def open_clear(data: Buffer, bits: int, count: int, weight_sum: int, plan: FieldPlan) -> NDArray[np.int64]:
    """``sum w*q``, int64 [count], of a part that is ``sum w*(q + offset)`` with ``sum w = weight_sum``."""
    return unpack(data, bits, count) - np.int64(plan.offset * weight_sum)
