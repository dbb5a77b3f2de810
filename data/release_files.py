"""Streams columns of a release's table, whatever kind of file it is, as text: ``stream_table``.

Not for: where the table is (``data.tables``), or what its columns mean: see the readers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.csv_files import header, match_columns, stream_csv
from data.errors import DataError

_ROWS = 2000  # of a piece


def names_in(path: Path, encoding: str) -> list[str]:
    """The table's columns as written."""
    names: list[str] = _parquet(path).schema_arrow.names if _is_parquet(path) else header(path, encoding)
    return names


def columns_of(path: Path, encoding: str) -> list[str]:
    """The table's columns, in lower case."""
    return [name.strip().lower() for name in names_in(path, encoding)]


def stream_table(path: Path, needed: Sequence[str], encoding: str, optional: Sequence[str] = ()) -> Iterator[pa.Table]:
    """Pieces with the ``needed`` and the ``optional`` columns, all strings, missing values and columns empty.

    Raises
    ------
    DataError
        the file cannot be read or lacks a needed column.
    """
    there = set(columns_of(path, encoding))
    wanted = [*needed, *(name for name in optional if name in there)]
    streamed = _stream_parquet(path, wanted) if _is_parquet(path) else stream_csv(path, wanted, encoding)
    for piece in streamed:
        piece = piece.select(wanted)
        for name in optional:
            if name not in there:
                piece = piece.append_column(name, pa.array([""] * piece.num_rows, pa.string()))
        yield piece


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=1 << 20)  # page by page, whatever the size of a row group
    except (pa.ArrowInvalid, OSError):
        raise DataError(
            f"{path}: is no whole Parquet file: it was cut off, or is something else. Copy or export it again."
        ) from None


def _stream_parquet(path: Path, wanted: Sequence[str]) -> Iterator[pa.Table]:
    file = _parquet(path)
    places = match_columns(str(path), file.schema_arrow.names, wanted)
    columns = [file.schema_arrow.names[at] for at in places.values()]
    rows = 0
    try:
        for batch in file.iter_batches(_ROWS, columns=columns):
            rows += batch.num_rows
            yield pa.table({name: _as_text(batch.column(column)) for name, column in zip(places, columns, strict=True)})
    except (pa.ArrowInvalid, OSError):
        raise DataError(f"{path}: is damaged after row {rows}. Copy or export it again.") from None


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("s", column.type.tz), safe=False)
    return pc.fill_null(column.cast(pa.string()), "")
