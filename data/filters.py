"""Which raw notes are used: the hospital's own filters first, then what the run asks for; what falls out is counted.

Not for: cleaning (``data.cleaning``), or which notes are whose (``data.plan``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import LABEL, DataConfig
from crossward.config.harmonising import DISCHARGE
from data.labels import given_labels
from data.quoting import SHARED
from data.readers import Counts
from data.sources import public_label
from data.vocabulary import NOTE_TYPES

Seen = dict[str, set[str]]  # note type -> patients who have notes of it, of many some
Mask = Any  # pyarrow's Array or ChunkedArray of truth values


def drops_discharge_summaries(config: DataConfig) -> bool:
    """Whether discharge summaries are left out because they state the outcome to be predicted."""
    label = public_label(config) if config.task == LABEL else None
    return label is not None and label.in_summaries and not config.keep_discharge_summaries


class _Kinds:
    """Words for categories, a source's own or common ones.

    Where no notes.toml describes the source, a word of MIMIC's own (``nursing``) means that category alone, and not
    others that are of the same common one (``Nursing/other``).
    """

    def __init__(self, words: Iterator[str], described: bool) -> None:
        self.own = {word.strip().lower() for word in words if word.strip()}
        self.common = self.own if described else self.own - set(NOTE_TYPES)

    def __bool__(self) -> bool:
        return bool(self.own)

    def mask(self, piece: pa.Table) -> Mask:
        """Where a note's category is one of them."""
        own = pc.is_in(pc.utf8_lower(piece["category"]), pa.array(sorted(self.own), pa.string()))
        return pc.or_(own, pc.is_in(piece["kind"], pa.array(sorted(self.common), pa.string())))


class Filters:
    """The filters of one reading; ``seen`` has the note types that there were, if the run asks for some."""

    def __init__(self, config: DataConfig, counts: Counts) -> None:
        described = config.described is not None
        self.config, self.counts = config, counts
        self.included = _Kinds(iter(config.notes.include), described)
        self.asked = _Kinds(iter(config.note_types.split(",")), described)
        self.labels = pa.array(given_labels(config), pa.string())
        self.seen: Seen = {}

    def __call__(self, piece: pa.Table) -> pa.Table:
        """The notes of ``piece`` that are used."""
        return self._labelled(self._of_the_run(self._of_the_hospital(piece)))

    def _of_the_hospital(self, piece: pa.Table) -> pa.Table:
        notes, keep = self.config.notes, self.counts.keep
        if self.included:
            piece = keep(piece, self.included.mask(piece), "of a category that the hospital leaves out")
        if notes.since or notes.until:
            piece = keep(piece, pc.greater_equal(pc.utf8_length(piece["time"]), 10), "without a day that can be read")
            day = pc.utf8_slice_codeunits(piece["time"], 0, 10)
            if notes.since:
                piece = keep(piece, pc.greater_equal(day, notes.since), "before the first day")
                day = pc.utf8_slice_codeunits(piece["time"], 0, 10)
            if notes.until:
                piece = keep(piece, pc.less_equal(day, notes.until), "after the last day")
        return piece

    def _of_the_run(self, piece: pa.Table) -> pa.Table:
        if self.asked:
            self._note_types(piece)
            piece = self.counts.keep(piece, self.asked.mask(piece), "of another note type")
        if drops_discharge_summaries(self.config):
            summary = pc.match_substring(pc.utf8_lower(piece["category"]), "discharge")
            summary = pc.or_(summary, pc.equal(piece["kind"], DISCHARGE))
            piece = self.counts.keep(piece, pc.invert(summary), "discharge summary, which states the outcome")
        return piece

    def _labelled(self, piece: pa.Table) -> pa.Table:
        if self.config.task == LABEL:
            piece = self.counts.keep(piece, pc.not_equal(piece["label"], ""), "without a label")
            if len(self.labels):
                piece = self.counts.keep(piece, pc.is_in(piece["label"], self.labels), "label not in data.labels")
        return self.counts.keep(piece, pc.not_equal(piece["patient_id"], ""), "without a patient")

    def _note_types(self, piece: pa.Table) -> None:
        """Add the note types of ``piece`` to ``seen``, and of the patients who have each as many as matter."""
        pairs = piece.select(["category", "patient_id"]).group_by(["category", "patient_id"]).aggregate([])
        for category, patient in zip(pairs["category"].to_pylist(), pairs["patient_id"].to_pylist(), strict=True):
            if len(patients := self.seen.setdefault(category, set())) < SHARED:
                patients.add(patient)
