"""What is measured of made-up patients: ``ITEMS``, from ``phrases/items.toml``."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from data.synthetic.phrase_files import load


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """A laboratory test or a vital sign.

    Parameters
    ----------
    id, label, short, unit, fluid, category, loinc
        As MIMIC's dictionaries (D_LABITEMS, D_ITEMS) have them.
    normal
        Lowest and highest value that is not flagged as abnormal.
    factor, loading
        The hidden factor (``data.synthetic.measured.factors``) that a patient's level follows, and its correlation
        with it.
    center, spread
        Mean and standard deviation of levels, of their logarithm where ``scale`` is "log"; ``infant`` is the mean of
        the newborn, whose spread is in proportion.
    low, high, floor
        Limits of values; below ``floor`` the method only says that it is less.
    ordered, every
        The share of stays that have it, and mean hours between draws.
    words
        What is charted in place of 1, 2, ...; empty for numbers.
    """

    id: int
    label: str
    unit: str
    category: str
    normal: tuple[float, float]
    factor: Literal["perfusion", "kidney", "liver", "vitals"]
    loading: float
    center: float
    spread: float
    ordered: float
    scale: Literal["linear", "log"] = "linear"
    decimals: int = 0
    every: float = 24.0
    infant: float = math.nan
    low: float = 0.0
    high: float = math.inf
    floor: float = -math.inf
    short: str = ""
    fluid: str = ""
    loinc: str = ""
    words: tuple[str, ...] = ()

    def value(self, level: float, infant: bool = False) -> float:
        """The value at ``level``, in standard deviations from the mean, as it is charted."""
        center, spread = self.center, self.spread
        if infant and not math.isnan(self.infant):
            center, spread = self.infant, self.spread * self.infant / self.center
        found = center + spread * level
        found = math.exp(found) if self.scale == "log" else found
        return round(min(self.high, max(self.low, found)), self.decimals)


@dataclasses.dataclass(frozen=True)
class Items:
    """The tables of ``phrases/items.toml``."""

    labs: tuple[Item, ...]
    vitals: tuple[Item, ...]


ITEMS = load(Items, "items")
