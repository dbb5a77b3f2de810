"""Reads the fields of sound rows, by Arrow. Not for: which rows are sound (``data.formats.rows``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from data.errors import DataError
from data.files import wrong_encoding
from data.formats.dialect import Dialect
from data.formats.form import Form
from data.formats.rows import Rows
from data.quarantine import Intake

_NULL = "NULL"


def fields_of(
    rows: Rows, dialect: Dialect, places: Mapping[str, int], form: Form, intake: Intake
) -> dict[str, pa.ChunkedArray]:
    """The columns at ``places`` as texts; a missing value is "" and counted.

    Raises
    ------
    DataError
        the fields are not in UTF-8, or Arrow sees other rows than there are.
    """
    # columns go by their position: a name may occur twice, or be a note
    picked = list(dict.fromkeys(f"f{at}" for at in places.values()))
    data = _unescaped_ends(rows.data, dialect, form) if dialect.escape else rows.data
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            read_options=pacsv.ReadOptions(block_size=len(data) + 1, use_threads=False, autogenerate_column_names=True),
            parse_options=pacsv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote or False,
                escape_char="\\" if dialect.escape and dialect.quote else False,
                newlines_in_values=True,
            ),
            convert_options=pacsv.ConvertOptions(
                include_columns=picked,
                column_types=dict.fromkeys(picked, pa.string()),
                null_values=form.words,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error).upper().replace("-", ""):
            raise wrong_encoding(intake.path, form.encoding or "utf-8") from None
        raise _misread(intake.path, rows) from None
    if table.num_rows != len(rows.lines):
        raise _misread(intake.path, rows)
    return {name: _filled(table[f"f{at}"], name, dialect, intake) for name, at in places.items()}


def _filled(column: pa.ChunkedArray, name: str, dialect: Dialect, intake: Intake) -> pa.ChunkedArray:
    intake.missing(name, column.null_count)
    column = pc.fill_null(column, "") if column.null_count else column
    return _of_database(column) if dialect.escape and not dialect.quote else column


def _of_database(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Fields as databases write them without quotes: a backslash makes n, t and r what they are in C."""
    column = pc.replace_substring(column, "\\\\", "\0")  # no NUL is left in a row
    for letter, meant in (("n", "\n"), ("t", "\t"), ("r", "\r")):
        column = pc.replace_substring(column, f"\\{letter}", meant)
    return pc.replace_substring(pc.replace_substring(column, "\\", ""), "\0", "\\")


def _unescaped_ends(data: bytes, dialect: Dialect, form: Form) -> bytes:
    r"""Fields that are ``\N`` alone, which would be read as an escaped N, and ends of rows that are none."""
    delimiter = re.escape(dialect.delimiter.encode())
    word = _NULL.encode() if _NULL in form.words else b""
    data = re.sub(rb"(^|[\r\n" + delimiter + rb"])\\N(?=[\r\n" + delimiter + rb"])", rb"\1" + word, data)
    if not dialect.quote:
        data = re.sub(rb"(?s)\\(\r\n|.)", lambda escaped: _SPELT.get(escaped[1], escaped[0]), data)
    return data


_SPELT = {b"\n": b"\\n", b"\r\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t"}


def _misread(path: Path, rows: Rows) -> DataError:
    return DataError(
        f"{path}: rows from line {rows.lines[0]} to {rows.lines[-1]} cannot be told apart. Repair or export it again."
    )
