"""Finds out how a CSV file is written: delimiter, quote, escapes, and where its line of column names is.

What its hospital states is taken; the rest follows from the first rows: the way of writing under which the wanted
columns are there, quotes are where they may be, and rows are equally wide. Not for: reading the rows
(``data.csv_files``).
"""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.formats.content import open_bytes
from data.formats.dialect import NAMED, Dialect
from data.formats.encodings import Encoding, encoding_of
from data.formats.form import Form

_QUOTES = ('"', "'")
_SAMPLE = 1 << 20  # bytes
_ROWS = 200  # that are looked at, or all of the sample where backslashes may escape
_DATABASE = re.compile(r"(?m)(?:^|\t)\\N(?:\t|\r?$)")  # a missing value as PostgreSQL and MySQL write it without quotes
_QUOTED = re.compile(r"(?m)(?:^|\t)[\"']")
_ALIKE = 0.9  # share of rows that have to be as wide as the column names


@dataclasses.dataclass(frozen=True)
class _Trial:
    """One way to read the sample: its names, the line after them, and how wide the rows are."""

    delimiter: str
    quote: str
    escape: bool
    names: list[str]
    line: int
    rows: list[list[str]]
    sound: bool  # no text follows a closing quote

    def value(self, wanted: Sequence[str]) -> tuple[Any, ...]:
        """The greater the better the file is read so."""
        fit = self.alike + self.sound
        return -self.lacks(wanted), not self.misquoted, fit, not self.escape, len(self.names) > 1

    def is_perfect(self, wanted: Sequence[str]) -> bool:
        """Whether no other way of writing can be better; not so for one column alone, in which any may be."""
        return len(self.names) > 1 and self.value(wanted)[:3] == (0, True, 2.0)

    def lacks(self, wanted: Sequence[str]) -> int:
        there = {name.strip().lower() for name in self.names}
        return sum(name.lower() not in there for name in wanted)

    @property
    def alike(self) -> float:
        """Share of the rows that are as wide as the names, or have one field more, an empty last one."""
        fitting = (len(row) == len(self.names) or self._trailing(row) for row in self.rows)
        return sum(fitting) / len(self.rows) if self.rows else 1.0

    @property
    def misquoted(self) -> bool:
        """Whether every tenth row has a field that begins and ends with a quote that is none here."""
        other = "'" if self.quote == '"' else '"'
        fields = itertools.chain(self.names, *self.rows)
        return 10 * sum(len(f) > 1 and f[0] == f[-1] == other for f in fields) > len(self.rows)

    def _trailing(self, row: list[str]) -> bool:
        return len(row) == len(self.names) + 1 and not row[-1].strip()

    def columns(self) -> tuple[str, ...]:
        """The names; one more where every row ends with a delimiter and the names do not, one less in turn."""
        trailing = sum(map(self._trailing, self.rows))
        if self.rows and trailing > _ALIKE * len(self.rows):
            return (*self.names, "")
        shorter = sum(len(row) == len(self.names) - 1 for row in self.rows)
        if self.rows and not self.names[-1].strip() and shorter > _ALIKE * len(self.rows):
            return tuple(self.names[:-1])
        return tuple(self.names)


def _sample(path: Path, encoding: Encoding) -> tuple[str, bool]:
    """The first characters of ``path``, and whether they are all of it.

    Raises
    ------
    UnicodeDecodeError
        they are not in ``encoding``.
    """
    with open_bytes(path) as file:
        raw = file.read(_SAMPLE)
        whole = not file.read(1)
    if encoding.stray_lines:
        return raw.decode(encoding.name, "replace"), whole
    decoder = io.TextIOWrapper(io.BytesIO(raw), encoding=encoding.name, newline="")
    text = decoder.read() if whole else _as_far_as_whole(raw, encoding.name)
    return text, whole


def _as_far_as_whole(raw: bytes, name: str) -> str:
    """``raw``, which may end inside a character, as text."""
    return codecs.getincrementaldecoder(name)().decode(raw)


def sniff(path: Path, wanted: Sequence[str] = (), form: Form | None = None) -> Dialect:
    """How the CSV file ``path`` is written, of which the columns ``wanted`` are to be read.

    Raises
    ------
    DataError
        the file is empty, or its first line cannot be one of column names.
    csv.Error
        its first line holds a field too long to be a name.
    """
    form = form or Form()
    encoding = encoding_of(path, form.encoding)
    text, whole = _sample(path, encoding)
    text, lead, stated = _without_sep(text.removeprefix("\ufeff").replace("\0", ""))
    if not text.strip(" \t\r\n,;|"):
        raise DataError(f"{path}: the file is empty (0 rows). A line of column names was expected.")
    delimiters = [form.separator] if form.delimiter else [stated] if stated else list(NAMED)
    numbered = bool(wanted) and all(name.startswith("#") and name[1:].isdigit() for name in wanted)
    asked = () if numbered else wanted
    best: _Trial | None = None
    for trial in _trials(text, whole, delimiters, form):
        if best is None or trial.value(asked) > best.value(asked):
            best = trial
        if trial.is_perfect(asked):
            break
    if best is None:
        raise csv.Error
    names, line = best.columns(), best.line + lead
    if numbered:  # "#1" is the first column of a file that has no names of them
        names, line = tuple(f"#{i + 1}" for i in range(len(names))), 1 + lead
    return Dialect(best.delimiter, best.quote, best.escape, names, line, encoding)


def _trials(text: str, whole: bool, delimiters: Sequence[str], form: Form) -> Iterator[_Trial]:
    """The sample read in every way that is possible; by single quotes only where fields are wrapped in them."""
    for delimiter in delimiters:
        if delimiter == "\t" and not form.quote and _DATABASE.search(text) and not _QUOTED.search(text):
            if trial := _tried(text, whole, delimiter, "", True):
                yield trial
            continue
        misquoted = bool(form.quote)
        for quote, escape in _quotes(form, text):
            if quote == "'" and not misquoted:
                continue
            if trial := _tried(text, whole, delimiter, quote, escape):
                misquoted = misquoted or (quote == '"' and trial.misquoted)
                yield trial


def _without_sep(text: str) -> tuple[str, int, str]:
    """The text without Excel's first line ``sep=;``, how many lines that is, and the delimiter that it names."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.rstrip("\r")) == 5:
        return rest, 1, first[4]
    return text, 0, ""


def _quotes(form: Form, text: str) -> Iterator[tuple[str, bool]]:
    """Quote and whether backslashes escape, as stated or all that are possible."""
    if stated := form.quoting:
        yield stated
        return
    for quote in _QUOTES:
        yield quote, False
        if f"\\{quote}" in text:
            yield quote, True


def _tried(text: str, whole: bool, delimiter: str, quote: str, escape: bool) -> _Trial | None:
    """The sample read so; None where it cannot be."""
    written: dict[str, Any] = {
        "delimiter": delimiter,
        "quotechar": quote or None,
        "quoting": csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        "escapechar": "\\" if escape else None,
    }
    for strict in (True, False):
        reader = csv.reader(io.StringIO(text, newline=""), strict=strict, **written)
        try:
            names: list[str] = next((row for row in reader if any(field.strip() for field in row)), [])
            line = reader.line_num + 1
            rows = _rows(reader, None if f"\\{quote}" in text else _ROWS)
        except csv.Error as error:
            if strict and _is_misplaced(error):
                continue
            return None
        if not whole and rows:
            rows.pop()  # which may be cut off
        return _Trial(delimiter, quote, escape, names, line, rows, strict) if names else None
    return None


def _is_misplaced(error: csv.Error) -> bool:
    """Whether it says that text follows a closing quote."""
    return "expected after" in str(error)


def _rows(reader: Iterator[list[str]], most: int | None) -> list[list[str]]:
    """The next rows that are not blank, up to one that is too long, or does not end in the sample."""
    rows: list[list[str]] = []
    try:
        for row in itertools.islice(reader, most):
            if any(field.strip() for field in row):
                rows.append(row)
    except csv.Error as error:
        if _is_misplaced(error):
            raise
    return rows
