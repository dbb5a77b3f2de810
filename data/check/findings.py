"""What a check of notes has found, as plain values.

Not for: finding it (``data.check.check``), or showing it (``crossward.cli.data_lines``,
``crossward.evaluation.notes_page``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol


class WhatWasRead(Protocol):
    """What any check says of the files that it read: see :class:`Findings`."""

    @property
    def counts(self) -> dict[str, int]:
        """Rows read, kept, and left out by reason."""

    @property
    def left_out(self) -> dict[str, int]:
        """Reason -> rows that are not kept."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to look at."""

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """What each file was found to be."""

    @property
    def unread(self) -> tuple[str, ...]:
        """The first rows that could not be read."""

    @property
    def quarantine(self) -> str:
        """Where all of them are listed."""


def left_out(counts: Mapping[str, int]) -> dict[str, int]:
    """Reason -> rows that are not kept."""
    return {why: number for why, number in counts.items() if why not in ("read", "kept")}


@dataclasses.dataclass(frozen=True)
class Part:
    """Training or held-out notes: how many, of how many patients, and how long in characters."""

    notes: int
    patients: int
    median: int
    p95: int
    longest: int


@dataclasses.dataclass(frozen=True)
class Lengths:
    """Lengths in tokens of the ``measured`` notes, a random sample where a hospital has more.

    ``room`` is how many tokens of a note fit into a sequence of ``max_tokens``; ``longer`` of the measured notes have
    more, and ``lost`` of their ``tokens`` are cut away. Nothing is lost where long notes are divided (``divided``).
    ``histogram`` counts notes by :data:`data.lengths.BUCKETS`.
    """

    measured: int
    room: int
    max_tokens: int
    median: int
    p95: int
    longest: int
    tokens: int
    longer: int
    lost: int
    divided: bool
    histogram: tuple[int, ...]

    @property
    def share_longer(self) -> float:
        """Part of the measured notes that do not fit into one sequence."""
        return self.longer / max(self.measured, 1)


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """Notes whose text is not new.

    ``within``: repeated for the same patient, white space and case apart, and used once. ``across``: used notes whose
    text another patient's note has as well, of ``patients`` patients. Of ``sampled`` notes, ``near_within`` and
    ``near_across`` share about :data:`data.check.duplicates.ALIKE` of their runs of five words with another note of
    the same patient, or of another patient, without being equal.
    """

    within: int
    across: int
    patients: int
    sampled: int
    near_within: int
    near_across: int


@dataclasses.dataclass(frozen=True)
class Span:
    """When the notes were written: ISO dates of the first and last, and how many notes have no date."""

    first: str
    last: str
    undated: int


@dataclasses.dataclass(frozen=True)
class Checked:
    """One hospital.

    Parameters
    ----------
    name : str
        What it is called in reports.
    train, test : Part
        Training and held-out notes.
    labels : dict of str to int
        Label -> notes; empty for the notes task.
    held_out_labels : dict of str to int
        The same of the held-out notes alone.
    categories : dict of str to int
        The hospital's own category -> notes, most frequent first; those that must not be named are one entry.
    common : dict of str to int
        Common category -> notes; empty where categories are not harmonised.
    notes_per_patient : tuple of int
        Median, 95 % quantile and most.
    duplicates : Duplicates
        Notes whose text is not new.
    lengths : Lengths or None
        In tokens; None where no tokenizer was given.
    span : Span or None
        None where the source has no times.
    """

    name: str
    train: Part
    test: Part
    labels: dict[str, int]
    held_out_labels: dict[str, int]
    categories: dict[str, int]
    common: dict[str, int]
    notes_per_patient: tuple[int, int, int]
    duplicates: Duplicates
    lengths: Lengths | None = None
    span: Span | None = None

    @property
    def notes(self) -> int:
        """Training and held-out notes together."""
        return self.train.notes + self.test.notes

    @property
    def patients(self) -> int:
        """Patients of all notes."""
        return self.train.patients + self.test.patients


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was read, and what each hospital has.

    Parameters
    ----------
    counts : dict of str to int
        Notes read, kept, and left out by reason.
    hospitals : list of Checked
        Each of them.
    warnings : tuple of str
        What to look at (``data.check.judge``).
    files : dict of str to dict
        What each file was found to be: encoding, delimiter and the like.
    unread : tuple of str
        The first rows that could not be read, by file and line, and why.
    quarantine : str
        Where all of them are listed; empty where there is none.
    """

    counts: dict[str, int]
    hospitals: list[Checked]
    warnings: tuple[str, ...] = ()
    files: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    unread: tuple[str, ...] = ()
    quarantine: str = ""

    @property
    def left_out(self) -> dict[str, int]:
        """Reason -> rows that are not kept."""
        return left_out(self.counts)

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return dataclasses.asdict(self)
