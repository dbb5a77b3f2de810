"""Streams columns of a JSONL file, plain or gzipped, in pieces, all as text. Not for CSV: see ``data.csv_files``."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from data.csv_files import match_columns
from data.errors import DataError
from data.files import UNREADABLE, codec, open_bytes, unreadable, wrong_encoding

_ROWS = 4096  # rows of a piece


def stream_jsonl(path: Path, wanted: Sequence[str], encoding: str = "utf-8") -> Iterator[pa.Table]:
    """As :func:`data.csv_files.stream_csv` for a file with one JSON object a line."""
    rows: list[list[str]] = []
    number = 0
    try:
        with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding=codec(encoding)) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    rows.append(_row(path, number, line, wanted))
                if len(rows) == _ROWS:
                    yield _as_table(rows, wanted)
                    rows = []
    except UnicodeDecodeError:
        raise wrong_encoding(path, encoding) from None
    except UNREADABLE as error:
        raise unreadable(path, error, f" after line {number}" if number else "") from None
    if rows:
        yield _as_table(rows, wanted)


def _as_table(rows: list[list[str]], wanted: Sequence[str]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table({name: pa.array(column, pa.string()) for name, column in zip(wanted, columns, strict=True)})


def _row(path: Path, number: int, line: str, wanted: Sequence[str]) -> list[str]:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        cut = "" if line.endswith("\n") else " The file's last line has no end: was the file cut off?"
        raise DataError(f"{path}: line {number}, character {error.pos}: not JSON ({_fault(error)}).{cut}") from None
    except (RecursionError, ValueError):
        raise DataError(f"{path}: line {number}: nested too deeply, or a number of thousands of digits.") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}: line {number} holds a {type(row).__name__}; a JSON object was expected.")
    places = match_columns(f"{path} (line {number})", list(row), wanted)
    values = list(row.values())
    return [_text(values[at]) for at in places.values()]


def _text(value: Any) -> str:
    """A value as text; half a character, which JSON can hold and Arrow cannot, becomes a question mark."""
    text = "" if value is None else str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _fault(error: json.JSONDecodeError) -> str:
    """What is wrong, without the character that the parser may name after a colon."""
    return error.msg.partition(":")[0]
