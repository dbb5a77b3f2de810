"""Figures out of samples, and what is required of them.

Not for: intervals (``research.attacks.statistics``, ``research.compare.statistics``).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]


def median_range(values: Sequence[float]) -> Row:
    """``median``, ``least`` and ``most`` of the values."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def medians(rows: Sequence[Mapping[str, Any]], *names: str) -> dict[str, float]:
    """The median of each of ``names``, or of all that the first row has."""
    return {name: statistics.median(row[name] for row in rows) for name in names or rows[0]}


def at_least(what: str, value: float, limit: float) -> Row:
    """The requirement that ``value`` is ``limit`` or more, and whether it is met."""
    return {"what": what, "value": value, "limit": f">= {limit:g}", "met": value >= limit}


def at_most(what: str, value: float, limit: float) -> Row:
    """The requirement that ``value`` is ``limit`` or less, and whether it is met."""
    return {"what": what, "value": value, "limit": f"<= {limit:g}", "met": value <= limit}


def verdict(requirement: Row) -> str:
    """Whether it is met, in a word or two."""
    return "met" if requirement["met"] else "NOT MET"


def counted(counts: Mapping[str, int]) -> list[str]:
    """A line for each name, its count first."""
    return [f"{count:8}  {name}" for name, count in counts.items()]
