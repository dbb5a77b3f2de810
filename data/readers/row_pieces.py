"""Notes that are read one at a time, as pieces: ``Rows``."""

from __future__ import annotations

import pyarrow as pa

from data.ids import same_ids
from data.readers.pieces import COLUMNS

_ROWS, _CHARACTERS = 1000, 4 << 20  # of a piece


class Rows:
    """Collects notes until they are enough for a piece."""

    def __init__(self) -> None:
        self._rows: list[dict[str, str]] = []
        self._characters = 0

    def add(self, row: dict[str, str]) -> pa.Table | None:
        """Add one note, a text for each of some of ``COLUMNS``; returns the piece that it completes."""
        self._rows.append(row)
        self._characters += len(row["text"])
        return self.rest() if len(self._rows) >= _ROWS or self._characters >= _CHARACTERS else None

    def rest(self) -> pa.Table | None:
        """What was added since the last piece; None if that is nothing."""
        if not self._rows:
            return None
        piece = pa.table({n: pa.array([_whole(r.get(n, "")) for r in self._rows], pa.string()) for n in COLUMNS})
        self._rows, self._characters = [], 0
        return piece


def with_ids(piece: pa.Table) -> pa.Table:
    """``piece`` with its ids spelt by the one rule for ids."""
    ids = ("note_id", "patient_id", "encounter_id")
    return pa.table({name: same_ids(piece[name]) if name in ids else piece[name] for name in piece.column_names})


def _whole(text: str) -> str:
    """``text``; half a character, which JSON can hold and Arrow cannot, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
