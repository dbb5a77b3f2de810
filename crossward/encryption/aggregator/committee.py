"""The aggregator's face of the committee scheme: sums of masked fields, modulo 2^b, without any key.

Not for: what turns a sum of updates into a version (``strategies.opening.making``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.committee.fields import FieldError, check, weighted_sum
from crossward.encryption.packing import Buffer
from crossward.encryption.plan import FieldPlan


class CommitteeArithmetic:
    """Fields of the plan's field bits, back to back, under masks or pads: whatever is added, they stay as wide."""

    def __init__(self, plan: FieldPlan) -> None:
        self.plan = plan

    def check(self, data: Buffer, bits: int, count: int) -> str:
        """Why ``data`` is not ``count`` fields of this plan; empty when it is."""
        try:
            check(data, self.plan.field_bits, count)
        except FieldError as error:
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
        """``sum_i weights[i] parts[i]`` modulo 2^b; weights may be -1. Dithers are the members' to add, not ``plain``.

        Raises
        ------
        FieldError
            a part is not ``count`` fields, or the sum is of more versions than the guard bits hold.
        """
        if bits_out > self.plan.field_bits or plain is not None:
            raise FieldError(
                f"a sum of {bits_out} bits, or one with a plain addend, in {self.plan.field_bits}-bit fields"
            )
        return weighted_sum(parts, weights, self.plan.field_bits, count)
