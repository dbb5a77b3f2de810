"""Rows of named values gathered into pieces: what formats whose rows are objects share.

Not for CSV, whose fields are columns already (``data.csv_files``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from data.csv_files import LINE, match_columns
from data.formats.form import Form
from data.formats.values import ABSENT, NOT_TEXT, NotTextError, as_text, at_path, without_nulls
from data.quarantine import Intake

_ROWS = 4096  # rows of a piece
_CHARACTERS = 8 << 20  # of a piece


def gathered(
    rows: Iterable[tuple[int, Mapping[str, Any]]], wanted: Sequence[str], form: Form, intake: Intake
) -> Iterator[pa.Table]:
    """Pieces with the ``wanted`` columns and ``LINE`` of ``rows``, each with the line it begins on.

    A key that a row lacks is a missing value; one that no row has is refused.
    """
    pending = _Pending(wanted, form, intake)
    for line, row in rows:
        pending.add(line, row)
        if len(pending.lines) >= _ROWS or pending.characters >= _CHARACTERS:
            yield pending.table()
    if pending.lines:
        yield pending.table()
    pending.check()
    intake.done()


class _Pending:
    """Rows that are not yet a piece."""

    def __init__(self, wanted: Sequence[str], form: Form, intake: Intake) -> None:
        self.wanted, self.form, self.intake = wanted, form, intake
        self.columns: list[list[str | None]] = [[] for _ in wanted]
        self.lines: list[int] = []
        self.characters = self.repaired = self.nuls = 0
        self.unseen = set(wanted)
        self.first: list[str] | None = None

    def add(self, line: int, row: Mapping[str, Any]) -> None:
        self.first = list(row) if self.first is None else self.first
        try:
            values = [self._value(row, name) for name in self.wanted]
        except NotTextError as error:
            self.unseen.clear()
            self.intake.reject(line, NOT_TEXT, str(error))
            return
        self.intake.good += 1
        self.lines.append(line)
        for column, value in zip(self.columns, values, strict=True):
            column.append(value)
            self.characters += len(value or "")

    def _value(self, row: Mapping[str, Any], name: str) -> str | None:
        value = at_path(row, name)
        if value is ABSENT:
            return None
        self.unseen.discard(name)
        if value is None:
            return None
        text = as_text(value, name)
        if text.isascii() and "\0" not in text:
            return text
        return self._sound(text)

    def _sound(self, text: str) -> str:
        """Without NULs; half a character, which JSON can hold and Arrow cannot, becomes a question mark."""
        if "\0" in text:
            self.nuls += text.count("\0")
            text = text.replace("\0", "")
        whole = text.encode("utf-8", "replace").decode()
        self.repaired += whole != text
        return whole

    def table(self) -> pa.Table:
        """The rows so far, which are pending no longer."""
        arrays = {n: pa.array(c, pa.string()) for n, c in zip(self.wanted, self.columns, strict=True)}
        table = pa.table({**arrays, LINE: pa.array(self.lines, pa.int64())})
        self.columns, self.lines, self.characters = [[] for _ in self.wanted], [], 0
        return without_nulls(table, self.form, self.intake)

    def check(self) -> None:
        """Refuse a column that no row has; record what was repaired."""
        if self.first is not None and self.unseen:
            match_columns(str(self.intake.path), self.first, [n for n in self.wanted if n in self.unseen])
        if self.nuls:
            self.intake.note(nul_bytes=self.nuls)
        if self.repaired:
            self.intake.note(half_characters=self.repaired)
