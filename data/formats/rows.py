"""Splits the bytes of a CSV file into whole rows with their lines, without reading their fields.

Rows of the wrong number of fields, and those in which text follows a closing quote, are reported and left out, so that
a reader of fields sees sound rows alone. A quote opens a field only at its beginning, as Arrow has it.

Not for: bytes that are not UTF-8, or another encoding that has ASCII's bytes for ASCII's characters alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.formats.dialect import Dialect
from data.formats.scan import Found, Ints, Scanner, newlines_of

Reject = Callable[[int, str, str], None]
WRONG_WIDTH, NAMES_AGAIN, STRAY_QUOTE, NULS, UNDECODABLE = (
    "wrong number of fields",
    "the column names again",
    "text after a closing quote",
    "a run of NUL bytes",
    "not in the file's encoding",
)
_BACKSLASH = "a backslash stands before a quote; if it escapes, say so in notes.toml: quote = '\"\\'"
MOST = 64 << 20  # bytes of a row
_HOLE = b"\x00" * 16  # as many NULs are a hole in the file; fewer are padding, which is no text


@dataclass(frozen=True)
class Rows:
    """Whole rows as UTF-8, and the line, from 1, on which each begins."""

    data: bytes
    lines: Ints


class OpenQuoteError(Exception):
    """The bytes ended inside a quoted field that was opened on ``line``."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class LongRowError(Exception):
    """The row that begins on ``line`` has more than ``MOST`` bytes."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class Splitter:
    """Rows of one file from blocks of its bytes.

    Parameters
    ----------
    dialect : Dialect
        How fields are separated and quoted, how many there are, and on which line rows begin.
    reject : callable
        Called with line, reason and detail of a row that is left out.
    """

    def __init__(self, dialect: Dialect, reject: Reject) -> None:
        self.dialect, self.reject = dialect, reject
        self.line = 1  # on which the next block begins
        self.nuls = 0
        self._names = b""  # the line of column names as it stands there
        self._scanner = Scanner(dialect)

    def split(self, blocks: Iterable[bytes]) -> Iterator[Rows]:
        """The rows of the file whose bytes are ``blocks``.

        Raises
        ------
        OpenQuoteError
            the file ends inside a quoted field.
        LongRowError
            a row does not end.
        """
        left, enough = b"", 0
        for block in blocks:
            left += block
            if len(left) < enough:  # a long row: it is looked at again when it has doubled
                continue
            whole = len(left)
            rows, left = self._rows(left, last=False)
            enough = 2 * whole if len(left) == whole else 0
            if len(left) > MOST:
                raise LongRowError(self.line)
            if rows is not None:
                yield rows
        if left:
            rows, left = self._rows(left, last=True)
            if rows is not None:
                yield rows

    def _rows(self, block: bytes, last: bool) -> tuple[Rows | None, bytes]:
        """Sound rows of ``block``, and what it has of a row that goes on."""
        if last and not block.endswith((b"\n", b"\r")):
            block += b"\n"
        newlines = newlines_of(block, last)
        found = self._scanner.rows(block, newlines, last)
        if not len(found.ends):
            if last:
                raise OpenQuoteError(self.line + self._scanner.lines_to_open_quote(block, 0))
            return None, block
        lines = self.line + np.searchsorted(newlines, found.starts)
        end = int(found.ends[-1])
        if last and end < len(block):
            raise OpenQuoteError(self.line + self._scanner.lines_to_open_quote(block, end))
        self.line += int(np.searchsorted(newlines, end))
        return self._sound(block, found, lines), block[end:]

    def _sound(self, block: bytes, found: Found, lines: Ints) -> Rows | None:
        """Rows of the right width after the header, without blank lines; the others are reported."""
        size = found.ends - found.starts
        wanted = (lines >= self.dialect.first_line) & ~_is_blank(block, found, size, self.dialect.width)
        bad = wanted & ((found.fields != self.dialect.width) | found.stray | self._is_names(block, found, size, lines))
        if self.dialect.stray_lines or b"\x00" in block:
            bad |= wanted & self._damaged(block, found, lines)
        for at in np.flatnonzero(bad):
            self._report(block, found, lines, int(at))
        keep = wanted & ~bad
        if not keep.any():
            return None
        if keep.all():
            data = block[int(found.starts[0]) : int(found.ends[-1])]
        else:
            data = b"".join(block[s:e] for s, e in zip(found.starts[keep], found.ends[keep], strict=True))
        if b"\x00" in data:
            self.nuls += data.count(0)
            data = data.replace(b"\x00", b"")
        return Rows(data, lines[keep])

    def _is_names(self, block: bytes, found: Found, size: Ints, lines: Ints) -> npt.NDArray[np.bool_]:
        """Rows that are the line of column names, as where two files were put together."""
        before = np.flatnonzero(lines < self.dialect.first_line)
        if len(before):
            self._names = block[found.starts[before[-1]] : found.ends[before[-1]]]
        same: npt.NDArray[np.bool_] = (size == len(self._names)) & (lines >= self.dialect.first_line)
        for at in np.flatnonzero(same):
            same[at] = block[found.starts[at] : found.ends[at]] == self._names
        return same

    def _damaged(self, block: bytes, found: Found, lines: Ints) -> npt.NDArray[np.bool_]:
        """Rows with holes, and those that are not UTF-8."""
        rows = (block[s:e] for s, e in zip(found.starts, found.ends, strict=True))
        return np.array([_HOLE in row or not _decodes(row) for row in rows], bool)

    def _report(self, block: bytes, found: Found, lines: Ints, at: int) -> None:
        row = block[found.starts[at] : found.ends[at]]
        line, fields = int(lines[at]), int(found.fields[at])
        if _HOLE in row:
            self.reject(line, NULS, "")
        elif found.stray[at]:
            self.reject(line, STRAY_QUOTE, _BACKSLASH if b"\\" + self.dialect.quote.encode() in row else "")
        elif row == self._names:
            self.reject(line, NAMES_AGAIN, "")
        elif fields != self.dialect.width:
            self.reject(line, WRONG_WIDTH, f"Expected {self.dialect.width} columns, got {fields}")
        else:
            self.reject(line, UNDECODABLE, "")


def _is_blank(block: bytes, found: Found, size: Ints, width: int) -> npt.NDArray[np.bool_]:
    """Lines of nothing, and of spaces where a row has several fields."""
    blank = size <= 0
    for at in np.flatnonzero((found.fields == 1) & ((size <= 2) | (width > 1))):
        row = block[found.starts[at] : found.ends[at]]
        blank[at] = not (row.strip() if width > 1 else row.strip(b"\r\n"))
    return blank


def _decodes(row: bytes) -> bool:
    try:
        row.decode()
    except UnicodeDecodeError:
        return False
    return True
