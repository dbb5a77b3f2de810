"""A run's curve over virtual time, and what is read off it: time and bytes to a target, losses at a moment.

Not for: making runs (``benchmarks.asynchrony.run``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Curve:
    """One point a version, the start at 0: virtual seconds, updates aggregated so far, bytes both ways, losses."""

    seconds: list[float] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)
    bytes: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    worst: list[float] = field(default_factory=list)
    staleness: list[float] = field(default_factory=list)

    def add(self, seconds: float, updates: int, moved: float, loss: float, worst: float, staleness: float) -> None:
        """Append the point of a new version; ``moved`` is bytes both ways."""
        self.seconds.append(seconds)
        self.updates.append(updates)
        self.bytes.append(moved)
        self.loss.append(loss)
        self.worst.append(worst)
        self.staleness.append(staleness)

    def crossing(self, target: float, hold: int) -> float | None:
        """The point, as a fraction between two, where the loss reaches ``target`` and holds it.

        It is the first point at or below from which the mean over the next ``hold`` updates is at or below as well;
        linear between it and the point before. None when there is none.
        """
        for i, loss in enumerate(self.loss):
            if loss > target:
                continue
            held = [x for x, u in zip(self.loss[i:], self.updates[i:], strict=True) if u <= self.updates[i] + hold]
            if sum(held) / len(held) > target:
                continue
            before = self.loss[i - 1] if i else loss
            return float(i) if before <= target else i - 1 + (before - target) / (before - loss)
        return None

    def settled(self, target: float, hold: int) -> bool:
        """Whether the crossing is there and more updates could not undo it."""
        point = self.crossing(target, hold)
        return point is not None and self.updates[-1] >= self.updates[math.ceil(point)] + hold

    def _at(self, values: Sequence[float], point: float | None) -> float:
        if point is None:
            return math.inf
        i = math.floor(point)
        part = point - i
        return values[i] + (part * (values[i + 1] - values[i]) if part else 0.0)

    def reach(self, target: float, hold: int) -> tuple[float, float, float]:
        """Seconds, updates and bytes to the target; infinite when it is not reached."""
        point = self.crossing(target, hold)
        return self._at(self.seconds, point), self._at(self.updates, point), self._at(self.bytes, point)

    def index_at(self, seconds: float) -> int:
        """The newest version at a moment."""
        return max(i for i, moment in enumerate(self.seconds) if moment <= seconds)

    def last(self, updates: int) -> tuple[float, float]:
        """Overall and worst loss, means over the last ``updates`` updates of the run: an end without its noise."""
        ends = [i for i, u in enumerate(self.updates) if u > self.updates[-1] - updates]
        return sum(self.loss[i] for i in ends) / len(ends), sum(self.worst[i] for i in ends) / len(ends)

    def json(self) -> dict[str, Any]:
        """Column name to values, one a version."""
        return asdict(self)
