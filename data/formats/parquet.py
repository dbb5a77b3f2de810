"""Streams columns of a Parquet file in pieces, all as text. Rows are counted from 1, as it has no lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.csv_files import LINE, match_columns
from data.errors import DataError
from data.files import UNREADABLE, unreadable
from data.formats.form import Form
from data.formats.gathered import gathered
from data.formats.values import without_nulls
from data.quarantine import Intake

_ROWS = 2048  # rows of a piece
_BUFFER = 1 << 20  # bytes read of a column at once, so that no row group is held as a whole


def stream_parquet(path: Path, wanted: Sequence[str], form: Form, intake: Intake) -> Iterator[pa.Table]:
    """As :func:`data.csv_files.stream_csv`; a column may be a path into a nested one (``data.formats.values``).

    Raises
    ------
    DataError
        the file is damaged, or lacks a column; a column holds what is no text.
    """
    try:
        with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            names = file.schema_arrow.names
            tops = {name: _top(names, name) for name in wanted}
            match_columns(str(path), names, [name for name in wanted if not tops[name]])
            picked = list(dict.fromkeys(tops.values()))
            nested = any(_is_nested(file.schema_arrow.field(top).type) for top in picked)
            batches = file.iter_batches(_ROWS, columns=picked, use_threads=False)
            if nested:
                yield from gathered(_objects(batches), wanted, form, intake)
                return
            yield from _flat(batches, tops, form, intake)
    except pa.ArrowInvalid:
        raise DataError(f"{path}: is no whole Parquet file. Nothing of it was used. Copy or export it again.") from None
    except UNREADABLE as error:
        raise unreadable(path, error) from None


def columns_of_parquet(path: Path, _: Form) -> list[str]:
    """The names of its columns."""
    try:
        return list(pq.read_schema(path).names)
    except pa.ArrowInvalid:
        raise DataError(f"{path}: is no whole Parquet file. Copy or export it again.") from None


def _top(names: Sequence[str], wanted: str) -> str:
    """The column that holds ``wanted``, which may be a path; "" where there is none."""
    known = {name.strip().lower(): name for name in reversed(names)}
    first = wanted.partition(".")[0].removesuffix("[]")
    return known.get(wanted.lower()) or known.get(first.lower(), "")


def _is_nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind))


def _flat(batches: Iterator[pa.RecordBatch], tops: Mapping[str, str], form: Form, intake: Intake) -> Iterator[pa.Table]:
    for batch in batches:
        columns = {name: _text(batch.column(top), name, intake) for name, top in tops.items()}
        lines = pa.array(range(intake.good + 1, intake.good + batch.num_rows + 1), pa.int64())
        intake.good += batch.num_rows
        if batch.num_rows:
            yield without_nulls(pa.table({**columns, LINE: lines}), form, intake)
    intake.done()


def _objects(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    number = 0
    for batch in batches:
        for row in batch.to_pylist():
            number += 1
            yield number, row


def _text(column: pa.Array, name: str, intake: Intake) -> pa.Array:
    """A column of single values as text; not-a-number is missing."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        return pc.cast(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            f"{intake.path}: column {name!r} is of type {column.type}, which is no text. Name another column."
        ) from None
