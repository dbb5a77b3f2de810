"""What every node derives from opened sums with cached updates: the sum of all hospitals' caches, and what it moved.

With D the opened sum of a version over W, K its contributors, N the hospitals that ever contributed
(``crossward.config.variance_reduction``):

    moved += H / N,  H = fade(K, N) H + K D

and a version that is taken back undoes this step exactly, up to the rounding of float64. Values are in units of scale
epoch 0 over W, so that an epoch is an exact power of two. All is element by element, in the order of versions, in
float64 without fused operations: nodes that applied the same records hold the same bits.

Not for: a node's own cache (``client_app.cached.own``), the sums themselves (``client_app.state.accumulators``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossward.config.variance_reduction import fade
from crossward.encryption.holder import Integers
from crossward.protocol.messages import RecordHead

Floats = NDArray[np.float64]
_STRETCH = 1 << 20


@dataclass(frozen=True)
class CachedMean:
    """``caches`` is H, ``moved`` what its means add up to; float64 [total], in units of scale epoch 0 over W."""

    caches: Floats
    moved: Floats

    @classmethod
    def zeros(cls, total: int) -> CachedMean:
        """Before the first version."""
        return cls(np.zeros(total), np.zeros(total))

    def add(self, head: RecordHead, place: slice, opened: Integers) -> None:
        """Take in the ``opened`` integers (int64) of a record at ``place``, which every value is in once a record."""
        caches, moved = self.caches[place], self.moved[place]
        kept = fade(head.contributors, head.hospitals)
        new = opened * (head.contributors * 2.0**-head.epoch)
        if head.sign > 0:
            moved += caches / head.hospitals
            caches *= kept
            caches += new
        else:
            caches -= new
            caches /= kept
            moved -= caches / head.hospitals

    def halves(self) -> tuple[NDArray[np.int64], ...]:
        """Both arrays' bits as signed 32-bit integers, low halves first: what a snapshot holds."""
        out = []
        for values in (self.caches, self.moved):
            bits = values.view(np.uint64)
            for half in (bits & np.uint64(0xFFFFFFFF), bits >> np.uint64(32)):
                out.append(half.astype(np.int64) - (1 << 31))
        return tuple(out)

    @classmethod
    def from_halves(cls, halves: list[Integers]) -> CachedMean:
        """Undo :meth:`halves`.

        Raises
        ------
        ValueError
            the values are not finite.
        """
        unsigned = [(half + (1 << 31)).astype(np.uint64) for half in halves]
        arrays = [(low | (high << np.uint64(32))).view(np.float64) for low, high in zip(*[iter(unsigned)] * 2, strict=True)]
        if not all(np.isfinite(values).all() for values in arrays):
            raise ValueError("its cached updates are not finite")
        return cls(*arrays)

    def update(self, mac: Any) -> None:
        """Feed both arrays into a state hash."""
        for name, values in (("caches", self.caches), ("moved", self.moved)):
            if values.any():
                mac.update(f":{name}:".encode())
                for start in range(0, values.size, _STRETCH):
                    mac.update(values[start : start + _STRETCH].astype("<f8").data)
