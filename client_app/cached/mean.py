"""What every node derives from opened sums with cached updates: the sum H of all hospitals' caches, and what it moved.

Within a block of versions (``crossward.config.variance_reduction``) H stays, and every version moves the adapter by
H / N. With the next block

    moved += versions H / N,  H = FADE (H + recent),  recent = 0

where ``recent`` is the sum of the block's opened sums, times the updates of a full buffer and ``PACE``. Values are in
units of scale epoch 0 over W, so ``recent`` is a sum of integers over a power of two: exact, however records were
grouped. The rest is element by element in float64, once a block, without fused operations: nodes that applied the same
records hold the same bits.

A version that is taken back leaves ``recent``; from the block before, once its own is empty. Such a block is opened
again with all that it brought in H, and what H moved by too much is taken off version by version, so that the block's
beginning is reached exactly but for the rounding of float64. A rollback goes back to a block's beginning.

Not for: a node's own cache (``client_app.cached.own``), the sums themselves (``client_app.state.accumulators``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossward.config.variance_reduction import FADE, PACE, Block
from crossward.encryption.holder import Integers
from crossward.protocol.messages import RecordHead

Floats = NDArray[np.float64]
_STRETCH = 1 << 20
_HALF = 1 << 31


class Standing(NamedTuple):
    """In which block a copy is, and how many ``versions`` of it it has; ``hospitals``, ``closed``, ``before``: its own.

    ``reopened`` is how many versions a block had that is being taken back, 0 in others.
    """

    number: int = 0
    versions: int = 0
    hospitals: int = 1
    closed: int = 0
    before: int = 0
    reopened: int = 0


class CachedMean:
    """H (``caches``), what its means ``moved`` up to the block, and ``recent``; each float64 [total]."""

    def __init__(self, caches: Floats, moved: Floats, recent: Floats, at: Standing) -> None:
        self.caches, self.moved, self.recent, self.at = caches, moved, recent, at

    @classmethod
    def zeros(cls, total: int) -> CachedMean:
        """Before the first version."""
        return cls(np.zeros(total), np.zeros(total), np.zeros(total), Standing())

    @property
    def arrays(self) -> tuple[Floats, Floats, Floats]:
        """Caches, moved, recent."""
        return self.caches, self.moved, self.recent

    # ------------------------------------------------------------------ records

    def begin(self, head: RecordHead) -> None:
        """Go to the block of a record before its parts are added."""
        block, at = head.block, self.at
        if head.sign > 0:
            if block.number > at.number:
                self._close(block)
            self.at = self.at._replace(reopened=0)
        elif block.number < at.number:
            self._reopen(block)

    def _close(self, block: Block) -> None:
        self.moved += self.caches * _steps(block.closed, block.before)
        self.caches += self.recent
        self.caches *= FADE
        self.recent[:] = 0.0
        self.at = Standing(block.number, 0, block.hospitals, block.closed, block.before)

    def _reopen(self, block: Block) -> None:
        at = self.at
        self.caches /= FADE
        self.caches += self.recent  # zeros, if what is taken back is the newest
        self.recent[:] = 0.0
        self.moved -= self.caches * _steps(at.closed, at.before)
        self.at = Standing(block.number, at.closed, max(at.before, 1), block.closed, block.before, at.closed)

    def add(self, head: RecordHead, place: slice, opened: Integers) -> None:
        """Take in a part of a record: its ``opened`` integers (int64) at ``place``."""
        new = opened * (head.block.gain * PACE * 2.0**-head.epoch)
        if head.sign > 0:
            self.recent[place] += new
        elif self.at.reopened:
            self.caches[place] -= new
            self.moved[place] += new * _steps(self.at.reopened, self.at.hospitals)
        else:
            self.recent[place] -= new

    def end(self, head: RecordHead) -> None:
        """All parts of a record are added."""
        versions = head.block.position + head.last - head.first if head.sign > 0 else head.block.position - 1
        self.at = self.at._replace(versions=versions)

    def shift(self, here: slice) -> Floats:
        """What the adapter was moved by in all: a stretch of it, in units of scale epoch 0 over W."""
        return self.moved[here] + self.caches[here] * _steps(self.at.versions, self.at.hospitals)

    # ------------------------------------------------------------------ snapshots and hashes

    def halves(self) -> tuple[Integers, ...]:
        """The arrays' bits as signed 32-bit integers, each array's low halves first: what a snapshot holds."""
        out = []
        for values in self.arrays:
            bits = values.view(np.uint64)
            low, high = bits & np.uint64(2 * _HALF - 1), bits >> np.uint64(32)
            out += [low.astype(np.int64) - _HALF, high.astype(np.int64) - _HALF]
        return tuple(out)

    @classmethod
    def from_halves(cls, halves: Sequence[Integers], at: Sequence[int]) -> CachedMean:
        """Undo :meth:`halves`; ``at`` is the standing.

        Raises
        ------
        ValueError
            the values are not finite, or there are not as many as it takes.
        """
        unsigned = [(half + _HALF).astype(np.uint64) for half in halves]
        pairs = zip(unsigned[::2], unsigned[1::2], strict=True)
        arrays = [(low | (high << np.uint64(32))).view(np.float64) for low, high in pairs]
        standing = Standing(*at) if len(at) == len(Standing._fields) else None
        if len(arrays) != 3 or standing is None or min(standing) < 0 or standing.hospitals < 1:
            raise ValueError("it lacks a part of the cached updates")
        if not all(np.isfinite(values).all() for values in arrays):
            raise ValueError("its cached updates are not finite")
        caches, moved, recent = arrays
        return cls(caches, moved, recent, standing)

    def update(self, mac: Any) -> None:
        """Feed everything into a state hash."""
        mac.update(f":cached:{':'.join(map(str, self.at))}".encode())
        for values in self.arrays:
            for start in range(0, values.size, _STRETCH):
                mac.update((values[start : start + _STRETCH] + 0.0).astype("<f8").data)  # one zero, not two


def _steps(versions: int, hospitals: int) -> float:
    """Factor on H of so many versions."""
    return versions / hospitals if hospitals else 0.0
