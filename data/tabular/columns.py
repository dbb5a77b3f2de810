"""What a column of a table of patients is: a number, a category, or nothing that a model can take: ``Column``.

A date is none: the day on which somebody was admitted says little of anybody else, and the same day as an age or a
number of days says much. Neither is a column whose values are nearly all different texts, or one that looks like
identifiers: a model would learn patients by heart.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.quoting import SHARED
from data.tabular.texts import DATE, Floats, numbers

_NEARLY_ALL = 0.9  # of the values that are there
_DIGITS = 6  # of what may be an identifier
OTHERS = "other values"
"""The level of values that too few patients have for one of their own."""


@dataclasses.dataclass(frozen=True)
class Feature:
    """A column that becomes features: of a number one, of a category one a level (of two levels the second alone)."""

    column: str
    levels: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Of its features."""
        return [f"{self.column} = {level}" for level in self._coded()] if self.levels else [self.column]

    def values(self, column: Any, decimal: str) -> Floats:
        """float64 [rows, features]; NaN where the value is missing, or no number."""
        if not self.levels:
            return numbers(column, decimal)[:, None]
        texts = pc.utf8_trim_whitespace(column)
        found = np.stack([pc.equal(texts, level).to_numpy() for level in self._coded()], axis=1).astype(np.float64)
        if OTHERS in self._coded():
            known = pc.is_in(texts, pa.array([level for level in self.levels if level != OTHERS], pa.string()))
            found[:, self._coded().index(OTHERS)] = ~known.to_numpy()
        found[pc.equal(texts, "").to_numpy()] = np.nan
        return found

    def _coded(self) -> tuple[str, ...]:
        return self.levels[1:] if len(self.levels) == 2 else self.levels


class Profile:
    """What the values of one column are like, seen piece by piece."""

    def __init__(self, name: str, most: int, decimal: str) -> None:
        self.name, self.most, self.decimal = name, most, decimal
        self.there = self.numbers = self.whole = self.dates = 0
        self.values: Counter[str] = Counter()
        self.repeats = False  # whether a value occurs twice, while few enough are known

    def add(self, column: Any) -> None:
        """See more values."""
        texts = pc.utf8_trim_whitespace(column)
        texts = texts.filter(pc.not_equal(texts, ""))
        found = numbers(texts, self.decimal)
        self.there += len(texts)
        self.numbers += int((~np.isnan(found)).sum())
        self.whole += int((np.abs(found) >= 10 ** (_DIGITS - 1)).sum())
        self.dates += int(pc.sum(pc.match_substring_regex(texts, DATE)).as_py() or 0)
        distinct = pc.value_counts(texts)
        self.repeats |= len(distinct) < len(texts)
        if len(self.values) <= max(self.most, 1):
            for one in distinct.to_pylist():
                self.values[one["values"]] += one["counts"]

    def judge(self, asked: bool) -> Feature | str:
        """The features, or why there are none; ``asked``: the configuration names the column."""
        if not self.there:
            return "it is empty"
        if len(self.values) == 1 and not asked:
            return "it says the same of every patient"
        if self.dates >= _NEARLY_ALL * self.there:
            return "it holds dates: state an age, or a number of days, in its place"
        if self.numbers == self.there and self.whole == self.there and not self.repeats and not asked:
            return "it looks like identifiers: long numbers, each of them once"
        if self.numbers == self.there:
            return Feature(self.name)
        if len(self.values) <= self.most:
            return self._category()
        if self.numbers >= _NEARLY_ALL * self.there:
            return Feature(self.name)
        return f"it holds texts of more than {self.most} different values" + (
            ', some with a decimal comma (decimal = ",")' if self._has_commas() else ""
        )

    def _category(self) -> Feature | str:
        common = sorted(value for value, count in self.values.items() if count >= SHARED)
        rare = [OTHERS] if len(common) < len(self.values) else []
        levels = (*common, *rare)
        return Feature(self.name, levels) if len(levels) > 1 else f"none of its values is one of {SHARED} patients"

    def _has_commas(self) -> bool:
        other = "," if self.decimal == "." else "."
        found = numbers(pa.array(list(self.values), pa.string()), other)
        return bool((~np.isnan(found)).mean() >= _NEARLY_ALL)
