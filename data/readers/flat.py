"""Rows whose columns the configuration names: those of one CSV or JSONL file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from crossward.config.data_settings import DataConfig
from crossward.config.notes_settings import CATEGORY, COMMON_FIELDS, ENCOUNTER, NOTE, PATIENT, SITE, TEXT, TIME
from data.csv_files import stream_csv
from data.ids import same_ids, without_decimals
from data.jsonl_files import stream_jsonl
from data.readers.pieces import COLUMNS, Counts


def read_rows(
    stream: Callable[[Path, Sequence[str], str], Iterator[pa.Table]], path: Path, config: DataConfig, counts: Counts
) -> Iterator[pa.Table]:
    """Pieces of the rows at ``path``; without a patient column each is a separate patient.

    ``stream`` yields the columns it is asked for, in tables of text: (path, column names, encoding).
    """
    notes, label = config.notes, config.label_column
    own = {name: notes.column(name) for name in COMMON_FIELDS} | {SITE: config.grouping_column}
    for piece in stream(path, list(dict.fromkeys(c for c in (*own.values(), label) if c)), notes.encoding):
        start, rows = counts["read"], piece.num_rows
        counts["read"] += rows
        numbers = pa.array([f"row-{start + i + 1}" for i in range(rows)], pa.string())
        yield (
            _as_pieces({name: piece[column] for name, column in own.items() if column}, numbers)
            .append_column("label", without_decimals(piece[label]) if label else pa.array([""] * rows, pa.string()))
            .select(COLUMNS)
        )


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


read_csv = functools.partial(read_rows, stream_csv)
read_jsonl = functools.partial(read_rows, stream_jsonl)
