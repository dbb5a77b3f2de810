"""First, last, lowest and highest value and their number, by patient and item, of values that come in pieces.

Held are six numbers for each patient and item, however many values there are: ``Summaries``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossward.config.party_settings import STATISTICS
from data.tabular.texts import NO_TIME, Floats, Ints

_LATE = np.iinfo(np.int64).max


class Summaries:
    """Of ``patients`` by ``items``; values in any order of their times."""

    def __init__(self, patients: int, items: int) -> None:
        self.shape = (patients, items)
        size = patients * items
        self.first_at, self.last_at = np.full(size, _LATE), np.full(size, NO_TIME)
        self.first, self.last = np.full(size, np.nan), np.full(size, np.nan)
        self.low, self.high = np.full(size, np.inf), np.full(size, -np.inf)
        self.count = np.zeros(size, np.int64)

    def add(self, patients: Ints, items: Ints, times: Ints, values: Floats) -> None:
        """Take one value a place: of which patient and item, when it was taken, and the number.

        Of two values of the same time the one that comes first is the first, the other the last.
        """
        if not len(values):
            return
        cells = patients * self.shape[1] + items
        order = np.lexsort((times, cells))
        cells, times, values = cells[order], times[order], values[order]
        starts = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
        ends = np.r_[starts[1:], len(cells)] - 1
        at = cells[starts]
        earlier, later = times[starts] < self.first_at[at], times[ends] >= self.last_at[at]
        self._set(self.first, self.first_at, at[earlier], values[starts[earlier]], times[starts[earlier]])
        self._set(self.last, self.last_at, at[later], values[ends[later]], times[ends[later]])
        self.low[at] = np.minimum(self.low[at], np.minimum.reduceat(values, starts))
        self.high[at] = np.maximum(self.high[at], np.maximum.reduceat(values, starts))
        self.count[at] += ends - starts + 1

    @staticmethod
    def _set(values: Floats, times: Ints, at: Ints, value: Floats, time: Ints) -> None:
        values[at], times[at] = value, time

    def patients(self) -> npt.NDArray[np.bool_]:
        """Which patients have a value."""
        return np.asarray(self.count.reshape(self.shape).any(axis=1))

    def table(self) -> Floats:
        """float64 [patients, items * statistics], item by item in the order of ``STATISTICS``; NaN without values.

        The number of values is 0, not NaN, where there are none.
        """
        none = self.count == 0
        found: dict[str, npt.NDArray[np.float64]] = {
            "first": self.first,
            "last": self.last,
            "min": np.where(none, np.nan, self.low),
            "max": np.where(none, np.nan, self.high),
            "count": self.count.astype(np.float64),
        }
        stacked = np.stack([found[name] for name in STATISTICS], axis=-1)
        return stacked.reshape(self.shape[0], -1)
