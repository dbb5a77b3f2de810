"""What all readers share: the columns of a piece, counts of what was left out, joins of MIMIC's small tables."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import LABEL, DataConfig
from crossward.config.data_sources import MORTALITY
from crossward.config.notes_settings import SITE
from data.csv_files import LINE
from data.errors import DataError
from data.formats.form import Form
from data.ids import Ids, as_ids, without_decimals
from data.labels import OUTCOMES, icd_chapter
from data.quarantine import LISTED, BadRow, log_bad
from data.release_files import columns_of, stream_release
from data.tables import Lookup, find_table, needed_table

COLUMNS = ("note_id", "patient_id", "encounter_id", "time", "site", "category", "label", "text")
"""Of a piece, all texts, missing values empty: ``time`` in ISO 8601, or as ``NotesConfig.times`` says; ``category`` in
the source's own words or codes (``loinc:18842-5``); ``label`` as the source has it, codes with their system
(``icd9:4280``)."""


# where to look for a site's column after the notes themselves, and the column that says which row is first
_SITE_TABLES = (("icustays", "intime"), ("services", "transfertime"), ("admissions", "admittime"), ("patients", ""))


class Counts(collections.Counter[str]):
    """How many notes were read and why others were left out; which rows could not be read, and what files are like.

    ``patients``: what became of those of a party's cohort (``data.tabular.kept``).
    """

    def __init__(self) -> None:
        super().__init__()
        self.quarantined: list[BadRow] = []
        self.bad = 0
        self.facts: dict[str, dict[str, Any]] = {}
        self.patients: dict[str, int] = {}

    def quarantine(self, path: Path, line: int, why: str, detail: str = "") -> None:
        """Count a row of ``path`` that was read and cannot be used, under ``why``, and list it with its line."""
        self["read"] += 1
        self[why] += 1
        self.bad += 1
        row = BadRow(path.name, line, why, detail)
        log_bad(row, self.bad)
        if self.bad <= LISTED:
            self.quarantined.append(row)

    def keep(self, piece: pa.Table, mask: pa.Array | pa.ChunkedArray, reason: str) -> pa.Table:
        """``piece`` where ``mask`` holds, what falls out counted under ``reason``."""
        kept = piece.filter(mask)
        if dropped := piece.num_rows - kept.num_rows:
            self[reason] += dropped
        return kept


def load(path: Path, columns: Sequence[str], form: Form) -> pa.Table:
    """A small table as a whole."""
    pieces = list(stream_release(path, columns, form))
    return pa.concat_tables(pieces) if pieces else pa.table({c: pa.array([], pa.string()) for c in (*columns, LINE)})


def lookup(path: Path, key: str, column: str, form: Form, order: str = "") -> Lookup:
    """``column`` of the table at ``path`` by its integer ``key``; ``order`` is the column that says which is first."""
    table = load(path, [key, column, *([order] if order else [])], form)
    if order:
        table = table.take(pc.sort_indices(table, sort_keys=[(order, "ascending")]))
    return Lookup(as_ids(table[key], path, key, table[LINE]), without_decimals(table[column]))


def mortality(path: Path, form: Form) -> Lookup:
    """Admission -> "survived" or "died", from the HOSPITAL_EXPIRE_FLAG of the table of admissions."""
    table = load(path, ["hadm_id", "hospital_expire_flag"], form)
    flags = without_decimals(table["hospital_expire_flag"])
    outcome = pc.if_else(pc.equal(flags, "1"), OUTCOMES[1], pc.if_else(pc.equal(flags, "0"), OUTCOMES[0], ""))
    return Lookup(as_ids(table["hadm_id"], path, "hadm_id", table[LINE]), outcome)


def chapters(path: Path, code: str, version: str, form: Form) -> Lookup:
    """Admission -> ICD chapter of its first diagnosis; ``version`` is a column, or "" when all codes are ICD-9."""
    columns = ["hadm_id", "seq_num", code, *([version] if version else [])]
    ids: list[Ids] = []
    values: list[str] = []
    for piece in stream_release(path, columns, form):
        firsts = piece.filter(pc.equal(without_decimals(piece["seq_num"]), "1"))
        ids.append(as_ids(firsts["hadm_id"], path, "hadm_id", firsts[LINE]))
        revisions = firsts[version].to_pylist() if version else ["9"] * firsts.num_rows
        values += [
            icd_chapter(c, 9 if v.strip().startswith("9") else 10)
            for c, v in zip(firsts[code].to_pylist(), revisions, strict=True)
        ]
    return Lookup(
        np.concatenate(ids) if ids else np.array([], np.int64),
        pa.chunked_array([pa.array(values, pa.string())]),
    )


def labels(folder: Path, config: DataConfig, code: str, version: str) -> Lookup:
    """The lookup of the configured label by admission; of none for the notes task."""
    if config.task != LABEL:
        return Lookup(np.array([], np.int64), pa.chunked_array([], pa.string()))
    if config.label == MORTALITY:
        return mortality(needed_table(folder, "admissions"), Form.of(config.notes))
    return chapters(needed_table(folder, "diagnoses_icd"), code, version, Form.of(config.notes))


class Sites:
    """The site of a note: a column of the notes, of a table of admissions' facts, or of the table of patients."""

    def __init__(self, folder: Path, notes: Path, column: str, form: Form) -> None:
        self.column = column.lower()
        self.of_note = self.column in columns_of(notes, form)
        self.lookup: Lookup | None = None
        self.by_patient = False
        looked = [notes.name]
        if self.of_note:
            return
        for name, order in _SITE_TABLES:
            path = find_table(folder, name)
            if path is None:
                continue
            looked.append(path.name)
            there = columns_of(path, form)
            if self.column in there:
                self.by_patient = "hadm_id" not in there
                key = "subject_id" if self.by_patient else "hadm_id"
                self.lookup = lookup(path, key, self.column, form, order if order in there else "")
                return
        raise DataError(
            f"{folder}: data.site-column = {column!r} is a column of none of {', '.join(looked)}. Name one that is, "
            "such as FIRST_CAREUNIT (ICUSTAYS), CURR_SERVICE (SERVICES), CATEGORY, or anchor_year_group (patients)."
        )

    def get(self, piece: pa.Table, subjects: Ids, hadms: Ids) -> pa.Array:
        """The site of each note of ``piece``, "" where it has none."""
        if self.of_note:
            return without_decimals(piece[self.column])
        assert self.lookup is not None  # noqa: S101 - for mypy
        return self.lookup.get(subjects if self.by_patient else hadms)


def default_site(folder: Path, config: DataConfig, fallback: str) -> str:
    """The configured site column, else the first care unit where there is a table of ICU stays."""
    if column := config.notes.column(SITE):
        return column
    return "first_careunit" if find_table(folder, "icustays") else fallback


def times(there: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Of the ``columns`` of times those that a table has."""
    return [name for name in columns if name in there]


def charted(piece: pa.Table) -> pa.ChunkedArray | pa.Array:
    """When each note was charted: CHARTTIME, or the day alone where that is missing; "" where neither is known."""
    found = [piece[name] for name in ("charttime", "chartdate") if name in piece.column_names]
    if not found:
        return pa.array([""] * piece.num_rows, pa.string())
    return found[0] if len(found) == 1 else pc.if_else(pc.equal(found[0], ""), found[1], found[0])


def admissions(folder: Path, config: DataConfig) -> Lookup:
    """Admission -> when it began."""
    return lookup(needed_table(folder, "admissions"), "hadm_id", "admittime", Form.of(config.notes))


class EarlyNotes:
    """Whether a note was charted within the configured hours of its admission, whose times ``admitted`` looks up."""

    def __init__(self, config: DataConfig, admitted: Callable[[], Lookup]) -> None:
        self.hours = config.note_hours if config.task == LABEL else 0.0
        self.admitted = admitted() if self.hours else None

    def mask(self, charted: pa.ChunkedArray, hadms: Ids, path: Path) -> pa.Array:
        """True where the note is early enough; a note without a time is not."""
        assert self.admitted is not None  # noqa: S101 - for mypy
        return is_early(self.admitted.get(hadms), charted, self.hours, path)


def is_early(admitted: pa.Array, charted: pa.Array | pa.ChunkedArray, hours: float, path: Path) -> pa.Array:
    """True where a note was charted within ``hours`` of its admission; where a time is missing it was not."""
    try:
        start, when = (
            pc.cast(pc.if_else(pc.equal(c, ""), None, pc.utf8_slice_codeunits(c, 0, 19)), pa.timestamp("s"))
            for c in (admitted, charted)
        )
    except pa.ArrowInvalid:
        raise DataError(f"{path}: a time is not written as YYYY-MM-DD hh:mm:ss, which data.note-hours needs.") from None
    passed = pc.cast(pc.subtract(when, start), pa.int64())
    return pc.fill_null(pc.less_equal(passed, int(hours * 3600)), False)
