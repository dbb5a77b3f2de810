"""What a check of a party has found, as plain values.

Not for: finding it (``data.check.party.check``), or showing it (``crossward.cli.party_lines``,
``crossward.evaluation.party_page``).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from data.check.findings import left_out

FEW = 10  # patients with an outcome, below which their number is not shown


@dataclasses.dataclass(frozen=True)
class Feature:
    """A column, or an item with all that is computed of its values, and how many ``patients`` have it.

    ``low``, ``median`` and ``high`` are over patients; of an item ``low`` is of the lowest values, ``median`` of the
    last ones, ``high`` of the highest. They are None where fewer patients have it than may share a quoted word.
    ``auroc``, at the label holder, is that of its best column or of whether there is a value, in the better direction;
    None where too few patients are of one outcome.
    """

    name: str
    patients: int
    low: float | None
    median: float | None
    high: float | None
    auroc: float | None = None


@dataclasses.dataclass(frozen=True)
class Identifiers:
    """Identifiers as the alignment spells them.

    ``distinct`` of them are different, ``changed`` are written otherwise, ``prefixed`` had the party's prefix, of
    ``empty`` nothing is left, ``repeated`` are spelt as one before. Of the distinct ones ``digits`` are digits alone;
    they are ``shortest`` to ``longest`` characters long.
    """

    distinct: int
    changed: int
    prefixed: int
    empty: int
    repeated: int
    digits: int
    shortest: int
    longest: int


@dataclasses.dataclass(frozen=True)
class OutcomeCounts:
    """Patients of whom the outcome happened, and others; both None where either are fewer than ``FEW``."""

    positive: int | None
    negative: int | None


@dataclasses.dataclass(frozen=True)
class Texts:
    """Characters of all notes of a patient together: median, 95 % quantile and most."""

    median: int
    p95: int
    longest: int


@dataclasses.dataclass(frozen=True)
class PartyFindings:
    """What one party has.

    Parameters
    ----------
    name, holds, prefix : str
        The party, its kind of features, and what stands in front of its identifiers.
    patients : int
        Those who are kept.
    cohort : dict of str to int
        What became of the patients of the cohort; empty where there is none.
    counts : dict of str to int
        Rows read, kept, and left out by reason.
    features : tuple of Feature
        Empty at a party that holds notes.
    identifiers : Identifiers
        In the spelling under which parties compare.
    outcome : OutcomeCounts | None
        None at all parties but the label holder.
    window : tuple of float, float | None
        Hours before and after the cohort's time; None where rows have no times.
    texts : Texts | None
        At a party that holds notes.
    warnings, files, unread, quarantine
        As in ``data.check.findings.Findings``.
    """

    name: str
    holds: str
    prefix: str
    patients: int
    cohort: dict[str, int]
    counts: dict[str, int]
    features: tuple[Feature, ...]
    identifiers: Identifiers
    outcome: OutcomeCounts | None
    window: tuple[float, float] | None
    texts: Texts | None = None
    warnings: tuple[str, ...] = ()
    files: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    unread: tuple[str, ...] = ()
    quarantine: str = ""

    @property
    def left_out(self) -> dict[str, int]:
        """Reason -> rows that are not kept."""
        return left_out(self.counts)

    @property
    def refused(self) -> str:
        """Why an alignment refuses the identifiers; empty where it takes them."""
        found = self.identifiers
        if not found.empty and not found.repeated:
            return ""
        return (
            f"an alignment refuses these identifiers: once case, separators, leading zeros and the prefix are removed, "
            f"{found.repeated:,} of {self.patients:,} are the same as another and of {found.empty:,} nothing is left. "
            "Correct the column that they are read from, or identifiers.prefix"
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return dataclasses.asdict(self)
