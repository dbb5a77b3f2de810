"""How a CSV file is written: delimiter, quote, escapes, and where its line of column names is.

What its hospital states is taken; the rest follows from the first rows: the way of writing under which the wanted
columns are there, and rows are equally wide. Not for: reading the rows (``data.csv_files``).
"""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.formats.content import open_bytes
from data.formats.encodings import Encoding, encoding_of
from data.formats.form import Form

NAMED = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_QUOTES = ('"', "'")
_SAMPLE = 1 << 18  # bytes
_ROWS = 200
_ALIKE = 0.9  # share of rows that have to be as wide as the column names


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a file is written, and what its line of column names holds.

    Parameters
    ----------
    delimiter, quote : str
        One character of ASCII each; quote may be "".
    escape : bool
        Whether a backslash takes its meaning from the next character.
    names : tuple[str, ...]
        The columns as written, in order, "" for one without a name.
    first_line : int
        The line, from 1, after that of the names.
    encoding : Encoding
        Of the text.
    """

    delimiter: str
    quote: str
    escape: bool
    names: tuple[str, ...]
    first_line: int
    encoding: Encoding

    @property
    def width(self) -> int:
        """How many fields a row has."""
        return len(self.names)

    @property
    def stray_lines(self) -> int:
        """How many lines of the file are not in its encoding."""
        return self.encoding.stray_lines


@dataclasses.dataclass(frozen=True)
class _Try:
    """One way to read the sample: its names, the line after them, and how wide the rows are."""

    delimiter: str
    quote: str
    escape: bool
    names: list[str]
    line: int
    widths: list[int]
    rows: list[list[str]]
    sound: bool  # no text follows a closing quote

    def lacks(self, wanted: Sequence[str]) -> int:
        there = {name.strip().lower() for name in self.names}
        return sum(name.lower() not in there for name in wanted)

    @property
    def alike(self) -> float:
        """Share of the rows that are as wide as the names, or have one field more, an empty last one."""
        if not self.widths:
            return 1.0
        fitting = (w == len(self.names) or self._trailing(row) for w, row in zip(self.widths, self.rows, strict=True))
        return sum(fitting) / len(self.widths)

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
        shorter = sum(width == len(self.names) - 1 for width in self.widths)
        if self.rows and not self.names[-1].strip() and shorter > _ALIKE * len(self.rows):
            return tuple(self.names[:-1])
        return tuple(self.names)


def sample(path: Path, encoding: Encoding) -> tuple[str, bool]:
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
    text, whole = sample(path, encoding)
    text, lead, stated = _without_sep(text.replace("\0", ""))
    if not text.strip(" \t\r\n,;|"):
        raise DataError(f"{path}: the file is empty (0 rows). A line of column names was expected.")
    delimiters = [_character(form.delimiter)] if form.delimiter else [stated] if stated else list(NAMED)
    tries = [found for d in delimiters for q, e in _quotes(form, text) if (found := _tried(text, whole, d, q, e))]
    tries = [one for one in tries if one.quote != "'" or form.quote or _is_meant(one, tries)]
    if not tries:
        raise csv.Error
    numbered = _numbered(wanted)
    best = max(tries, key=lambda one: (
        -(0 if numbered else one.lacks(wanted)), not one.misquoted, one.alike + one.sound, not one.escape,
        len(one.names) > 1,
    ))  # fmt: skip
    names, line = best.columns(), best.line + lead
    if numbered:
        names, line = tuple(f"#{i + 1}" for i in range(len(names))), 1 + lead
    return Dialect(best.delimiter, best.quote, best.escape, names, line, encoding)


def _is_meant(single: _Try, tries: Sequence[_Try]) -> bool:
    """Whether single quotes are quotes: read with double ones, fields are wrapped in them."""
    return any(one.delimiter == single.delimiter and one.quote == '"' and one.misquoted for one in tries)


def _numbered(wanted: Sequence[str]) -> bool:
    """Whether the columns are asked for by their places, "#1" being the first: then the file has no names of them."""
    return bool(wanted) and all(name.startswith("#") and name[1:].isdigit() for name in wanted)


def _character(delimiter: str) -> str:
    return "\t" if delimiter.lower() in ("tab", "\\t") else delimiter


def _without_sep(text: str) -> tuple[str, int, str]:
    """The text without Excel's first line ``sep=;``, how many lines that is, and the delimiter that it names."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.rstrip("\r")) == 5:
        return rest, 1, first[4]
    return text, 0, ""


def _quotes(form: Form, text: str) -> Iterator[tuple[str, bool]]:
    """Quote and whether backslashes escape, as stated or all that are possible."""
    if form.quote.lower() == "none":
        yield "", False
    elif form.quote:
        yield form.quote[0], form.quote.endswith("\\")
    else:
        for quote in _QUOTES:
            yield quote, False
            if f"\\{quote}" in text:
                yield quote, True


def _tried(text: str, whole: bool, delimiter: str, quote: str, escape: bool) -> _Try | None:
    """The sample read so; None where it cannot be."""
    written: dict[str, Any] = {
        "delimiter": delimiter,
        "quotechar": quote or None,
        "quoting": csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        "escapechar": "\\" if escape else None,
    }
    reader = csv.reader(io.StringIO(text, newline=""), **written)
    try:
        names: list[str] = next((row for row in reader if any(field.strip() for field in row)), [])
        line = reader.line_num + 1
        rows = _rows(reader)
    except csv.Error:
        return None
    if not whole and rows:
        rows.pop()  # which may be cut off
    if not names:
        return None
    sound = _is_sound(csv.reader(io.StringIO(text, newline=""), strict=True, **written))
    return _Try(delimiter, quote, escape, names, line, [len(row) for row in rows], rows, sound)


def _is_sound(reader: Iterator[list[str]]) -> bool:
    """Whether quotes are where they may be; one that is open at the end of the sample may be closed after it."""
    try:
        for _ in itertools.islice(reader, _ROWS):
            pass
    except csv.Error as error:
        return "expected after" not in str(error)
    return True


def _rows(reader: Iterator[list[str]]) -> list[list[str]]:
    """The next rows that are not blank, up to one that is too long."""
    rows: list[list[str]] = []
    try:
        for row in itertools.islice(reader, _ROWS):
            if any(field.strip() for field in row):
                rows.append(row)
    except csv.Error:
        pass
    return rows
