"""Streams columns of a release's table, some of which an export may lack: ``stream_release``.

Not for: where the table is (``data.tables``), its format (``data.formats``), or what its columns mean: see the readers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from data.csv_files import LINE
from data.formats.form import Form
from data.formats.tables import stream_table, table_columns
from data.quarantine import Intake


def columns_of(path: Path, form: Form) -> list[str]:
    """The table's columns, in lower case."""
    return [name.strip().lower() for name in table_columns(path, form)]


def stream_release(
    path: Path, needed: Sequence[str], form: Form, optional: Sequence[str] = (), intake: Intake | None = None
) -> Iterator[pa.Table]:
    """Pieces with the ``needed`` and the ``optional`` columns and ``LINE``, missing values and columns empty.

    Raises
    ------
    DataError
        the file cannot be read or lacks a needed column; without ``intake``, a row cannot be read.
    """
    there = set(columns_of(path, form)) if optional else set()
    wanted = [*needed, *(name for name in optional if name in there)]
    for piece in stream_table(path, wanted, form, intake):
        empty = pa.array([""] * piece.num_rows, pa.string())
        columns = {name: piece[name] if name in wanted else empty for name in (*needed, *optional)}
        yield pa.table({**columns, LINE: piece[LINE]})
