"""A node's own cache: what the sum of all hospitals' caches holds of it, known from what the server reports included.

The cache moves only by updates that a version holds, by the integers that were sent and the weights they got there, and
fades and is taken back with the sum. So an update that was lost, refused, late or never used changes nothing, and a
node that was away follows the versions that it missed. What a node loses with its state fades from the sum with the
next blocks (``crossward.config.variance_reduction``).

No residual is kept beside it: rounding is unbiased, and what the range cuts off a difference is missing in the cache,
too, so that the next difference asks for it again.

Not for: the sum of all (``client_app.cached.mean``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossward.config.variance_reduction import FADE, PACE
from crossward.protocol.messages import Included

KEPT = 8  # of the updates that a node sent, the newest: versions that hold one may still come, or be taken back

Floats = NDArray[np.float64]


@dataclass
class OwnCache:
    """``values`` float64 [total], in units of scale epoch 0 over W, at ``version`` and its ``block``; None while all 0.

    ``sent`` are the integers of updates by task, ``epochs`` the scale epochs of those that no version has held yet.
    """

    version: int = 0
    block: int = 0
    values: Floats | None = None
    sent: dict[int, NDArray[Any]] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)

    def send(self, task: int, integers: NDArray[Any], epoch: int) -> None:
        """Remember the update of ``task``."""
        self.sent[task], self.epochs[task] = integers, epoch
        for old in sorted(self.sent)[:-KEPT]:
            del self.sent[old]
            self.epochs.pop(old, None)

    def advance(self, included: Iterable[Included], version: int, gain: int) -> None:
        """Follow the versions up to ``version``, which hold these updates, in order; those known already are skipped.

        ``gain`` is how many updates a full buffer holds.
        """
        for number, rows in groupby(included, lambda row: row.version):
            if self.version < number <= version:
                self._step(list(rows), gain)
        self.version = max(self.version, version)

    def _step(self, rows: list[Included], gain: int) -> None:
        block, added = rows[0].block, rows[0].weight > 0
        if self.values is not None and block != self.block:
            if added and block > self.block:
                self.values = self.values * FADE
            elif not added and block < self.block:
                self.values = self.values / FADE
        self.block = max(self.block, block) if added else min(self.block, block)
        for row in rows:
            if row.task in self.sent:
                self.epochs.pop(row.task, None)
                own = self.sent[row.task] * (gain * row.weight * PACE * 2.0**-row.epoch)
                self.values = own if self.values is None else self.values + own

    def expected(self, accepted: Iterable[int], total_weight: int) -> Floats | None:
        """The cache when the ``accepted`` updates that wait for their version are in one with a fair share of W."""
        values = self.values
        for task in accepted:
            if (epoch := self.epochs.get(task)) is not None:
                coming = self.sent[task] * (total_weight * PACE * 2.0**-epoch)
                values = coming if values is None else values + coming
        return values
