"""One table of rows, whatever format its file is in: the file says so itself, whatever it is called.

Not for: what columns mean (``data.readers.flat``), nor the tables of a release (``data.tables``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from pkgutil import resolve_name

import pyarrow as pa

from crossward.config.data_sources import CSV
from data.csv_files import header
from data.errors import DataError
from data.files import UNREADABLE, unreadable
from data.formats.content import ARRAY, LINES, PARQUET, SQLITE, TEXT, XLSX, compression, kind
from data.formats.form import Form
from data.quarantine import Intake

log = logging.getLogger("crossward.data")

STREAMS = {
    TEXT: "csv_files:stream_csv",
    LINES: "jsonl_files:stream_jsonl",
    ARRAY: "jsonl_files:stream_json",
    PARQUET: "formats.parquet:stream_parquet",
    XLSX: "formats.xlsx:stream_xlsx",
}
COLUMNS = {
    LINES: "jsonl_files:columns_of_lines",
    ARRAY: "jsonl_files:columns_of_array",
    PARQUET: "formats.parquet:columns_of_parquet",
    XLSX: "formats.xlsx:columns_of_xlsx",
}
_NAMES = {
    TEXT: "delimited text",
    LINES: "JSON, one object a line",
    ARRAY: "an array of JSON objects",
    PARQUET: "a Parquet file",
    XLSX: "an Excel workbook",
}
_WITHOUT_LINES = (PARQUET, XLSX)


def stream_table(
    path: Path, wanted: Sequence[str], form: Form, intake: Intake | None = None, expected: str = ""
) -> Iterator[pa.Table]:
    """Pieces of ``path`` with the ``wanted`` columns in that order, all strings, missing values empty, and the line.

    ``expected`` is the format that the configuration names; another one that the file is in is read and reported.

    Raises
    ------
    DataError
        as :func:`data.csv_files.stream_csv`.
    """
    found = table_kind(path, expected)
    intake = intake or Intake(path)
    intake.unit = "row" if found in _WITHOUT_LINES else "line"
    packed = compression(path)
    intake.note(format=found, compression=packed)
    if expected and found != expected:
        log.warning("%s: is %s, and read as such%s", path, _NAMES[found], f", packed by {packed}" if packed else "")
    yield from resolve_name(f"data.{STREAMS[found]}")(path, wanted, form, intake)


def table_kind(path: Path, expected: str = "") -> str:
    """The format that ``path`` is in: a key of ``STREAMS``."""
    try:
        found = kind(path)
    except UNREADABLE as error:
        raise unreadable(path, error) from None
    if found == SQLITE:
        raise DataError(
            f'{path}: is an SQLite database: set source = "sql", path = "sqlite:///{path}" and a query in the '
            "hospital's notes.toml."
        )
    # what begins like JSON is told from CSV; a file of JSON may begin with a line that is broken
    return expected if found == TEXT and expected in (LINES, ARRAY) else found


def table_columns(path: Path, form: Form) -> list[str]:
    """The names of a table's columns; of JSON those of the first object."""
    return source_and_columns(path, form)[1]


def source_and_columns(path: Path, form: Form) -> tuple[str, list[str]]:
    """The name of the source that reads ``path``, and the names of its columns.

    Raises
    ------
    DataError
        the file cannot be read.
    """
    found = table_kind(path, LINES if ".jsonl" in path.suffixes else "")
    if found == TEXT:
        return CSV, header(path, form)
    names: list[str] = resolve_name(f"data.{COLUMNS[found]}")(path, form)
    return found, names
