"""Streams made-up records into a folder of CSV tables: ``write_tables``. Columns are in tables_iii.py, tables_iv.py."""

from __future__ import annotations

import contextlib
import csv
import functools
import gzip
import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from data.synthetic.tables import Record

R = TypeVar("R", bound=Record)


class Tables:
    """Open CSV tables of a folder, one row at a time."""

    def __init__(self, folder: Path, headers: Mapping[str, str], suffix: str, stack: contextlib.ExitStack) -> None:
        self._writers: dict[str, Any] = {}
        self._count = dict.fromkeys(headers, 0)
        for name, header in headers.items():
            path = folder / (name + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            opened = functools.partial(gzip.open, compresslevel=1) if suffix.endswith(".gz") else open
            file: Any = stack.enter_context(opened(path, "wt", encoding="utf-8", newline=""))
            self._writers[name] = csv.writer(file, lineterminator="\n")
            self.add(name, *header.split())

    def add(self, table: str, *values: Any) -> None:
        """Write one row."""
        self._writers[table].writerow(values)

    def add_numbered(self, table: str, *values: Any) -> None:
        """Write one row whose first column is its number, ROW_ID."""
        self.add(table, self.number(table), *values)

    def number(self, table: str) -> int:
        """The next ROW_ID of ``table``."""
        self._count[table] += 1
        return self._count[table]


def write_tables(
    headers: Mapping[str, str],
    add_patient: Callable[[Tables, list[R]], None],
    add_stay: Callable[[Tables, R], int],
    found: Iterable[R],
    folder: Path,
    compress: bool = False,
    progress: Callable[[int], None] | None = None,
    begin: Callable[[Tables], None] | None = None,
) -> int:
    """Write ``found`` patient by patient into ``folder``; returns how many notes were written.

    ``add_patient`` gets all stays of a patient, ``add_stay`` each and returns its number of notes; ``progress`` is
    called with the number of notes so far after each stay; ``begin`` writes what is of no patient.
    """
    notes = 0
    with contextlib.ExitStack() as stack:
        tables = Tables(folder, headers, ".csv.gz" if compress else ".csv", stack)
        if begin:
            begin(tables)
        for _, group in itertools.groupby(found, lambda record: record.stay.subject):
            stays = list(group)
            add_patient(tables, stays)
            for record in stays:
                notes += add_stay(tables, record)
                if progress:
                    progress(notes)
    return notes
