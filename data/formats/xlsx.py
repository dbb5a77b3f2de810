"""Streams columns of an Excel workbook in pieces, all as text: of every sheet that has them, one after the other.

Rows have the numbers that Excel shows. A cell holds at most 32,767 characters: notes of exactly that length were cut
off by Excel, and are quarantined. Texts that a workbook shares among cells are held in memory.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
from openpyxl.utils.escape import unescape

from data.csv_files import match_columns
from data.errors import DataError
from data.formats.form import Form
from data.formats.gathered import gathered
from data.quarantine import Intake

log = logging.getLogger("crossward.data")

CUT = "cut off by Excel"
MOST = 32_767  # characters of a cell
_NAMES_WITHIN = 20  # rows in which the column names have to be


def stream_xlsx(path: Path, wanted: Sequence[str], form: Form, intake: Intake) -> Iterator[pa.Table]:
    """As :func:`data.csv_files.stream_csv`.

    Raises
    ------
    DataError
        the workbook is damaged or protected, or none of its sheets has the columns.
    """
    yield from gathered(_rows(path, wanted, intake), wanted, form, intake)


def columns_of_xlsx(path: Path, _: Form) -> list[str]:
    """The names in the first row that has any, of the first sheet that is not empty."""
    with _opened(path) as book:
        for sheet in book.worksheets:
            for row in sheet.iter_rows(max_row=_NAMES_WITHIN, values_only=True):
                if any(row):
                    return ["" if cell is None else str(cell) for cell in row]
    return []


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The workbook, whatever its file is called; what openpyxl raises of a damaged one may be anything."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that it does not read
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            try:
                yield book
            finally:
                book.close()
    except (DataError, MemoryError):
        raise
    except Exception:
        raise DataError(
            f"{path}: is no whole Excel workbook. Nothing of it was used. Save it again as .xlsx or as CSV."
        ) from None


def _rows(path: Path, wanted: Sequence[str], intake: Intake) -> Iterator[tuple[int, Mapping[str, Any]]]:
    used, first = 0, None
    with _opened(path) as book:
        for sheet in book.worksheets:
            rows = enumerate(sheet.iter_rows(values_only=True), 1)
            names, seen = _names(rows, wanted)
            if names is None:
                first = first or seen
                continue
            used += 1
            for number, row in rows:
                if any(cell is not None for cell in row) and not _is_cut(row, names, wanted, number, intake):
                    yield number, dict(zip(names, map(_value, row), strict=False))
        intake.note(sheets=len(book.worksheets), sheets_read=used)
        if not used:
            match_columns(str(path), first or [], wanted)
        elif used < len(book.worksheets):
            log.info("%s: %d of its %d sheets have the columns and are read", path, used, len(book.worksheets))


def _names(rows: Iterator[tuple[int, Sequence[Any]]], wanted: Sequence[str]) -> tuple[list[str] | None, list[str]]:
    """The column names, in one of the first rows of a sheet, or None; and what its first row holds."""
    first: list[str] = []
    for number, row in rows:
        names = ["" if cell is None else str(cell).strip() for cell in row]
        first = first or [name for name in names if name]
        if {name.lower() for name in wanted} <= {name.lower() for name in names}:
            return _once(names), first
        if number >= _NAMES_WITHIN:
            break
    return None, first


def _once(names: list[str]) -> list[str]:
    """Of names that occur twice the first; the others get one of their place."""
    known = [name.lower() for name in names]
    return [name if known.index(name.lower()) == at else f"#{at + 1}" for at, name in enumerate(names)]


def _is_cut(row: Sequence[Any], names: list[str], wanted: Sequence[str], number: int, intake: Intake) -> bool:
    asked = {name.lower() for name in wanted}
    for name, cell in zip(names, row, strict=False):
        if isinstance(cell, str) and len(cell) >= MOST and name.lower() in asked:
            intake.reject(number, CUT, f"{name!r} has {len(cell)} characters, as many as a cell can hold")
            return True
    return False


def _value(cell: Any) -> Any:
    """A cell's value as it is written elsewhere: times in ISO 8601, whole numbers without decimals."""
    if isinstance(cell, str):
        return unescape(cell)
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return int(cell)
    return cell
