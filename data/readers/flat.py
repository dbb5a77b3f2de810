"""Rows whose columns the configuration names: those of one table, in a file or from a database."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import DataConfig
from crossward.config.notes_settings import CATEGORY, COMMON_FIELDS, ENCOUNTER, NOTE, NULLS, PATIENT, SITE, TEXT, TIME
from data.formats import content
from data.formats.form import NO_VALUES, Form, in_cases
from data.formats.tables import stream_table
from data.ids import same_ids, without_decimals
from data.quarantine import Intake
from data.readers.pieces import COLUMNS, Counts

Stream = Callable[[Path, Sequence[str], Form, Intake], Iterator[pa.Table]]


def read_rows(stream: Stream, path: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """Pieces of the rows at ``path``; without a patient column each is a separate patient.

    ``stream`` yields the columns it is asked for, in tables of text: (path, column names, how it is written, what
    takes the rows that cannot be read).
    """
    return read_intake(stream, path, config, counts, Intake(path, counts))


def read_intake(stream: Stream, path: Path, config: DataConfig, counts: Counts, intake: Intake) -> Iterator[pa.Table]:
    """As :func:`read_rows` with an intake of the caller's."""
    notes, label = config.notes, config.label_column
    own = {name: notes.column(name) for name in COMMON_FIELDS} | {SITE: config.grouping_column}
    words = pa.array(in_cases(NO_VALUES) if notes.nulls == NULLS else [], pa.string())
    number = 0
    for piece in stream(path, list(dict.fromkeys(c for c in (*own.values(), label) if c)), Form.of(notes), intake):
        rows = piece.num_rows
        counts["read"] += rows
        numbers = pa.array([f"row-{number + i + 1}" for i in range(rows)], pa.string())
        number += rows
        found = {name: piece[column] for name, column in own.items() if column}
        yield (
            _as_pieces({name: _without(words, found[name], name, intake) for name in found}, numbers)
            .append_column("label", without_decimals(piece[label]) if label else pa.array([""] * rows, pa.string()))
            .select(COLUMNS)
        )


def _without(words: pa.Array, column: pa.ChunkedArray, name: str, intake: Intake) -> pa.ChunkedArray:
    """``column`` without the words by which people say that there is no value, where it cannot be named so."""
    if name in (SITE, CATEGORY):
        return column
    mask = pc.is_in(pc.utf8_trim_whitespace(column), words)
    if count := pc.sum(mask).as_py():
        intake.missing(name, count)
        return pc.if_else(mask, "", column)
    return column


def _as_pieces(found: dict[str, pa.ChunkedArray], numbers: pa.Array) -> pa.Table:
    """The common fields that were found, and what stands for the others: a row's number, or nothing."""
    empty = pa.array([""] * len(numbers), pa.string())
    ids = {name: same_ids(found[name]) for name in (NOTE, PATIENT, ENCOUNTER) if name in found}
    words = {name: without_decimals(found[name]) for name in (SITE, CATEGORY) if name in found}
    return pa.table(
        {
            "note_id": ids.get(NOTE, numbers),
            "patient_id": ids.get(PATIENT, numbers),
            "encounter_id": ids.get(ENCOUNTER, empty),
            "time": found.get(TIME, empty),
            "site": words.get(SITE, empty),
            "category": words.get(CATEGORY, empty),
            "text": found[TEXT],
        }
    )


def _read_file(expected: str, path: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    return read_rows(functools.partial(stream_table, expected=expected), path, config, counts)


def read_sql(_: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """Pieces of the rows of the query."""
    from data.formats.sql import source_path, stream_sql  # no other source needs the import

    notes = config.notes
    where = source_path(notes)
    intake = Intake(where, counts, "row")
    yield from read_intake(lambda _, *more: stream_sql(notes, *more), where, config, counts, intake)


read_csv = functools.partial(_read_file, content.TEXT)
read_jsonl = functools.partial(_read_file, content.LINES)
read_json = functools.partial(_read_file, content.ARRAY)
read_parquet = functools.partial(_read_file, content.PARQUET)
read_xlsx = functools.partial(_read_file, content.XLSX)
