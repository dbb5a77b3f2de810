"""Streams columns of a file of JSON, one object a line or one array of objects, in pieces, all as text.

A line that is no JSON object is quarantined; an array that is broken anywhere is refused, as what follows cannot be
told apart. Not for CSV: see ``data.csv_files``.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from data.errors import DataError
from data.files import UNREADABLE, unreadable, wrong_encoding
from data.formats.content import open_bytes
from data.formats.encodings import encoding_of
from data.formats.form import Form
from data.formats.gathered import gathered
from data.formats.rows import MOST, UNDECODABLE
from data.quarantine import Intake

NOT_JSON, NO_OBJECT = "not JSON", "no JSON object"
_PIECE = 1 << 20
_SPACE = re.compile(r"[\s,]*")


def _no_number(_: str) -> None:
    """NaN and infinities are missing values."""


# numbers stay as they are written; control characters may stand in a string, as many programs leave tabs there
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_number, strict=False)


def stream_jsonl(
    path: Path, wanted: Sequence[str], form: Form | str = "", intake: Intake | None = None
) -> Iterator[pa.Table]:
    """As :func:`data.csv_files.stream_csv` for a file with one JSON object a line; columns may be paths."""
    return _stream(_objects_of_lines, path, wanted, form, intake)


def stream_json(
    path: Path, wanted: Sequence[str], form: Form | str = "", intake: Intake | None = None
) -> Iterator[pa.Table]:
    """As :func:`stream_jsonl` for a file that is one array of JSON objects."""
    return _stream(_objects_of_array, path, wanted, form, intake)


def columns_of_lines(path: Path, form: Form) -> list[str]:
    """The keys of the first object of a file with one a line."""
    return _keys(_objects_of_lines, path, form)


def columns_of_array(path: Path, form: Form) -> list[str]:
    """The keys of the first object of an array."""
    return _keys(_objects_of_array, path, form)


def _keys(objects: Any, path: Path, form: Form) -> list[str]:
    try:
        with _opened(path, form, Intake(path)) as text:
            return list(next(objects(text, Intake(path)), (0, {}))[1])
    except UnicodeDecodeError:
        raise wrong_encoding(path, form.encoding or "utf-8") from None
    except UNREADABLE as error:
        raise unreadable(path, error) from None


@contextlib.contextmanager
def _opened(path: Path, form: Form, intake: Intake) -> Iterator[io.TextIOWrapper]:
    encoding = encoding_of(path, form.encoding)
    intake.note(encoding=encoding.name, encoding_known=encoding.known)
    errors = "surrogateescape" if encoding.stray_lines else "strict"
    with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding=encoding.name, errors=errors) as text:
        yield text


def _stream(
    objects: Any, path: Path, wanted: Sequence[str], form: Form | str, intake: Intake | None
) -> Iterator[pa.Table]:
    form = Form(encoding=form) if isinstance(form, str) else form
    intake = intake or Intake(path)
    try:
        with _opened(path, form, intake) as text:
            yield from gathered(objects(text, intake), wanted, form, intake)
    except UnicodeDecodeError:
        raise wrong_encoding(path, form.encoding or "utf-8") from None
    except UNREADABLE as error:
        after = intake.good + intake.bad
        raise unreadable(path, error, f" after {after} rows" if after else "") from None


def _objects_of_lines(text: io.TextIOWrapper, intake: Intake) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        if text.errors != "strict" and not _is_text(line):
            intake.reject(number, UNDECODABLE)
            continue
        row = _object(line, number, intake)
        if row is not None:
            yield number, row


def _object(line: str, number: int, intake: Intake) -> Mapping[str, Any] | None:
    """The object of a line; None where it is none, which is reported."""
    try:
        row: Any = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        if not line.endswith("\n"):
            raise DataError(
                f"{intake.path}: line {number}, character {error.pos}: not JSON ({_fault(error)}). The file's last "
                "line has no end: was the file cut off?"
            ) from None
        intake.reject(number, NOT_JSON, f"character {error.pos}: {_fault(error)}")
        return None
    except RecursionError:
        intake.reject(number, NOT_JSON, "nested too deeply")
        return None
    if not isinstance(row, dict):
        intake.reject(number, NO_OBJECT, f"it holds a {type(row).__name__}")
        return None
    return row


def _is_text(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fault(error: json.JSONDecodeError) -> str:
    """What is wrong, without the character that the parser may name at the end."""
    return error.msg.partition(": ")[0]


def _objects_of_array(text: io.TextIOWrapper, intake: Intake) -> Iterator[tuple[int, Mapping[str, Any]]]:
    window = _Window(text, intake.path)
    window.skip("[")
    while not window.at_end():
        line, row = window.element()
        if isinstance(row, dict):
            yield line, row
        else:
            intake.reject(line, NO_OBJECT, f"it holds a {type(row).__name__}")


class _Window:
    """The part of an array that is being read, and the line on which it begins."""

    def __init__(self, text: io.TextIOWrapper, path: Path) -> None:
        self.text, self.path = text, path
        self.held, self.at, self.line = text.read(_PIECE), 0, 1

    def skip(self, sign: str) -> None:
        """Pass over white space and then ``sign``."""
        self._pass_space()
        if self.held[self.at : self.at + 1] != sign:
            raise self._broken("an array was expected")
        self.at += 1

    def at_end(self) -> bool:
        """Whether the array ends here."""
        self._pass_space()
        if self.at == len(self.held):
            raise self._broken("the array does not end: was the file cut off?")
        return self.held[self.at] == "]"

    def element(self) -> tuple[int, Any]:
        """The next element and its line."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self.held, self.at)
            except RecursionError:
                raise self._broken("nested too deeply") from None
            except json.JSONDecodeError as error:
                more = self.text.read(max(_PIECE, len(self.held)))
                if more and len(self.held) < MOST:
                    self.held += more
                    continue
                self.at = min(error.pos, len(self.held))
                cut = "" if more else "; was the file cut off?"
                raise self._broken(f"not JSON ({_fault(error)}){cut}") from None
            line = self.line + self.held.count("\n", 0, self.at)
            self.at = end
            return line, value

    def _pass_space(self) -> None:
        while True:
            found = _SPACE.match(self.held, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.held):
                break
            self._drop()
            more = self.text.read(_PIECE)
            if not more:
                return
            self.held = more
        if self.at > _PIECE // 2:
            self._drop()

    def _drop(self) -> None:
        self.line += self.held.count("\n", 0, self.at)
        self.held, self.at = self.held[self.at :], 0

    def _broken(self, why: str) -> DataError:
        line = self.line + self.held.count("\n", 0, self.at)
        return DataError(f"{self.path}: line {line}: {why}. Nothing of it was used. Repair or export it again.")
