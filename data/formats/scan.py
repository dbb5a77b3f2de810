"""Finds where the rows and fields of a block of bytes begin and end: ``Scanner``.

Not for: what is wrong with a row, or which are wanted (``data.formats.rows``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.formats.dialect import Dialect

Ints = npt.NDArray[np.int64]
_NEWLINE, _RETURN = 10, 13


@dataclass(frozen=True)
class Found:
    """Rows of a block: where each begins and ends, how many fields it has, whether text follows a closing quote."""

    starts: Ints
    ends: Ints
    fields: Ints
    stray: npt.NDArray[np.bool_]


class Scanner:
    """Rows of blocks of a file that is written in a dialect; a block begins where a row does."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._quote = ord(dialect.quote) if dialect.quote else -1
        self._delimiter = ord(dialect.delimiter)
        self._field = _field_pattern(dialect)

    def rows(self, block: bytes, newlines: Ints, last: bool) -> Found:
        """The rows that end in ``block``, whose lines end at ``newlines``; ``last``: the file ends with it."""
        return self._quickly(np.frombuffer(block, np.uint8), newlines) or self._carefully(block, last)

    def lines_to_open_quote(self, block: bytes, at: int) -> int:
        """How many lines before the quote that is open where ``block``, of which a row begins at ``at``, ends."""
        while at < len(block) and (match := self._field.match(block, at)):
            if block[at] == self._quote and match["quoted"] is None:
                break
            at = match.end()
        return len(re.findall(rb"\r\n?|\n", block[:at]))

    def _quickly(self, marks: npt.NDArray[np.uint8], newlines: Ints) -> Found | None:
        """Rows of a block in which every quote opens, closes or is doubled; None of any other.

        Then an even number of quotes stands before whatever is outside of quoted fields.
        """
        if self.dialect.escape:
            return None
        quotes = np.flatnonzero(marks == self._quote) if self.dialect.quote else np.empty(0, np.int64)
        ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0] + 1
        seen = quotes[: np.searchsorted(quotes, ends[-1])] if len(ends) else quotes
        if not self._well_formed(marks, seen):
            return None
        if not len(ends):
            return Found(ends, ends, ends, ends.astype(bool))
        delimiters = np.flatnonzero(marks == self._delimiter)
        delimiters = delimiters[np.searchsorted(quotes, delimiters) % 2 == 0]
        starts = np.concatenate([[0], ends[:-1]])
        fields = np.searchsorted(delimiters, ends) - np.searchsorted(delimiters, starts) + 1
        return Found(starts, ends, fields, np.zeros(len(ends), bool))

    def _well_formed(self, marks: npt.NDArray[np.uint8], quotes: Ints) -> bool:
        opening, closing = quotes[::2], quotes[1::2]
        before = marks[np.maximum(opening - 1, 0)]
        after = marks[np.minimum(closing + 1, len(marks) - 1)]
        allowed = (self._delimiter, _NEWLINE, _RETURN, self._quote)
        opens = np.isin(before, allowed) | (opening == 0)
        # a quote before an opening one has to be the half of a doubled one, not one that closed and was opened again
        return bool(opens.all() and np.isin(after, allowed).all())

    def _carefully(self, block: bytes, last: bool) -> Found:
        """Rows of any block, field by field."""
        starts, ends, fields, strays = [], [], [], []
        at = start = 0
        count, stray = 0, False
        while at < len(block) and (match := self._field.match(block, at)):
            if match["quoted"] is None and block[at] == self._quote:
                break  # open to the end of the block
            end = match["end"]
            if not end or (end == b"\r" and match.end() == len(block) and not last):
                break
            count += 1
            stray = stray or (match["quoted"] is not None and bool(match["rest"]))
            at = match.end()
            if end[0] != self._delimiter:
                starts.append(start)
                ends.append(at)
                fields.append(count)
                strays.append(stray)
                start, count, stray = at, 0, False
        where = (np.array(one, np.int64) for one in (starts, ends, fields))
        return Found(next(where), next(where), next(where), np.array(strays, bool))


def newlines_of(block: bytes, last: bool) -> Ints:
    """Where lines end: at line feeds, and at carriage returns that none follows."""
    marks = np.frombuffer(block, np.uint8)
    newlines = np.flatnonzero(marks == _NEWLINE)
    if b"\r" not in block:
        return newlines
    returns = np.flatnonzero(marks[:-1] == _RETURN)
    alone = returns[marks[returns + 1] != _NEWLINE]
    if last and block.endswith(b"\r"):
        alone = np.append(alone, len(block) - 1)
    return np.sort(np.concatenate([newlines, alone])) if len(alone) else newlines


def _field_pattern(dialect: Dialect) -> re.Pattern[bytes]:
    """One field, quoted or not, with what ends it."""
    delimiter, quote = re.escape(dialect.delimiter.encode()), re.escape(dialect.quote.encode())
    escape, special = (rb"|\\.", rb"\\") if dialect.escape else (b"", b"")
    quoted = rb"(?P<quoted>(?!))"
    if dialect.quote:
        inner = rb"[^" + quote + special + rb"]*"
        held = rb"(?P<quoted>" + inner + rb"(?:(?:" + quote * 2 + escape + rb")" + inner + rb")*)"
        quoted = quote + held + quote + rb"(?!" + quote + rb")"
    rest = rb"(?P<rest>(?:[^\r\n" + delimiter + special + rb"]" + (rb"|\\\r\n" if escape else b"") + escape + rb")*)"
    return re.compile(rb"(?:" + quoted + rb")?" + rest + rb"(?P<end>" + delimiter + rb"|\r\n|\r|\n|\Z)", re.DOTALL)
