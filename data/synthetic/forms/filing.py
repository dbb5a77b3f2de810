"""Made-up records as an export files them: ``walk`` shows a writer patients, stays and notes in MIMIC-III's order.

A note has the number and the encounter that it has in MIMIC-III's NOTEEVENTS, so that every form of the same patients
holds the same notes under the same ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from data.synthetic.tables import Note, Record

OUTPATIENT = 53  # every so many notes belong to no admission, as MIMIC-III's outpatient notes do


@dataclass(frozen=True)
class Filed:
    """A note under its ``number``; ``encounter`` is the id of its stay, None of a note that belongs to none."""

    number: int
    record: Record
    note: Note
    encounter: int | None


class Writer(Protocol):
    """Writes one export: ``patient`` is shown all stays of somebody, then ``stay`` each of them, ``note`` its notes."""

    def patient(self, stays: list[Record]) -> None:
        """Write who it is."""

    def stay(self, record: Record) -> None:
        """Write an encounter and its diagnoses."""

    def note(self, filed: Filed) -> bool:
        """Write a note; returns whether this form holds it."""


def walk(found: Iterable[Record], writer: Writer, progress: Callable[[int], None] | None = None) -> int:
    """Show ``found`` to ``writer``; returns how many notes were written. ``progress`` is called with that number."""
    number = written = 0
    for _, group in itertools.groupby(found, lambda record: record.stay.subject):
        stays = list(group)
        writer.patient(stays)
        for record in stays:
            writer.stay(record)
            for note in record.notes:
                number += 1
                encounter = record.stay.hadm if number % OUTPATIENT else None
                written += writer.note(Filed(number, record, note, encounter))
            if progress:
                progress(written)
    return written
