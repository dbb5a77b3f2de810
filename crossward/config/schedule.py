"""The public schedule: learning rate and value range as functions of the version alone.

Every node and the server derive the same numbers from the run config, so no hospital's data can show in
a scale. A *scale epoch* is a stretch of versions with one value range; ranges are halves of one another,
so that a late update of an older epoch enters a newer one by an integer factor.

With AdamW one step moves a weight by at most about the learning rate, so peak learning rate x step cap bounds what
a local training does. It is the range of epoch 0 (times ``range_factor``, which is 1 unless hospital-level privacy
sets it); what exceeds it is clipped and kept in the node's residual.

Not for: the optimiser (``client_app.training.loop``) or rounding (``client_app.update.quantise``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

MAX_EPOCH = 6
COSINE, LINEAR, CONSTANT = "cosine", "linear", "constant"
FLOOR = 0.1  # smallest learning rate as a share of the peak


@dataclass(frozen=True)
class Schedule:
    """Learning-rate schedule over the whole run of ``versions`` versions."""

    versions: int = field(
        default=36,
        metadata={
            "key": "strategy.num-versions",
            "help": "Global versions that the run makes.",
            "min": 1,
            "max": 1000000,
        },
    )
    local_steps: int = field(
        default=7,
        metadata={
            "key": "train.local-steps",
            "help": "Optimiser steps of one local training; with the learning rate they set the range of an update's "
            "values.",
            "min": 1,
            "max": 100000,
        },
    )
    peak: float = field(
        default=1e-2,
        metadata={"key": "train.learning-rate", "help": "Peak learning rate.", "above": 0.0, "max": 1.0},
    )
    kind: str = field(
        default=COSINE,
        metadata={
            "key": "train.schedule",
            "help": "Decay of the learning rate over the run's versions.",
            "choices": (COSINE, LINEAR, CONSTANT),
        },
    )
    warmup: float = field(
        default=0.05,
        metadata={
            "key": "train.warmup",
            "help": "Share of the run over which the learning rate rises linearly to its peak.",
            "min": 0.0,
            "max": 0.5,
        },
    )
    floor: float = FLOOR
    range_factor: float = 1.0
    server_rate: float = field(
        default=1.5,
        metadata={
            "key": "strategy.server-learning-rate",
            "help": "Factor on every version's combined update.",
            "above": 0.0,
            "max": 10.0,
        },
    )

    def _decay(self, progress: float) -> float:
        """Decayed share of the peak at ``progress`` in [0, 1], warm-up left out; falls monotonically."""
        if self.kind == CONSTANT:
            return 1.0
        past = min(max((progress - self.warmup) / (1.0 - self.warmup), 0.0), 1.0)
        share = 0.5 * (1.0 + math.cos(math.pi * past)) if self.kind == COSINE else 1.0 - past
        return self.floor + (1.0 - self.floor) * share

    def learning_rate(self, version: int, step: float) -> float:
        """Learning rate of local step ``step`` (0-based) of a training that starts from ``version``."""
        progress = min((version + step / self.local_steps) / self.versions, 1.0)
        rate = self.peak * self._decay(progress)
        if self.warmup > 0 and progress < self.warmup:
            rate = (
                self.peak
                * (version * self.local_steps + step + 1)
                / (self.warmup * self.versions * self.local_steps + 1)
            )
        return min(rate, self.peak)

    def epoch(self, version: int) -> int:
        """Scale epoch of updates trained from ``version``: whole halvings of the rate so far, at most 6."""
        decay = self._decay(min(version / self.versions, 1.0))
        return min(int(-math.log2(max(decay, 2.0 ** -(MAX_EPOCH + 1))) + 1e-9), MAX_EPOCH)

    def value_range(self, epoch: int) -> float:
        """Largest magnitude of a delta's value in a scale epoch, in units of the weights."""
        return self.range_factor * self.peak * self.local_steps * 2.0**-epoch
