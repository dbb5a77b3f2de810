"""Translating a column value by value: ``Translated``, which remembers what could not be translated.

Not for: what the values mean (the steps).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from data.quoting import SHARED, listed

_REMEMBERED = 1000  # values; a column of free text has no more that matter


class Translated:
    """One column's values in other words, each distinct value translated once.

    ``translate`` returns None for a value that it does not know; such a value is counted with its notes and with the
    patients who have it, as far as that matters for whether it may be repeated.
    """

    def __init__(self, translate: Callable[[str], str | None]) -> None:
        self.translate = translate
        self._known: dict[str, str | None] = {}
        self._notes: Counter[str] = Counter()
        self._patients: dict[str, set[str]] = {}

    def __call__(self, column: pa.ChunkedArray, patients: pa.ChunkedArray) -> pa.Array:
        """``column`` translated, "" where the value is not known or missing."""
        coded = pc.dictionary_encode(column.combine_chunks())
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        values = coded.dictionary.to_pylist()
        found = [self._of(value) for value in values]
        if any(word is None for word in found):
            self._remember(column, patients)
        words = pa.array([word or "" for word in found], pa.string())
        return words.take(coded.indices) if len(values) else pa.array([""] * len(column), pa.string())

    def _of(self, value: str) -> str | None:
        if not value.strip():
            return ""
        if value not in self._known:
            self._known[value] = self.translate(value)
        return self._known[value]

    def _remember(self, column: pa.ChunkedArray, patients: pa.ChunkedArray) -> None:
        for value, patient in zip(column.to_pylist(), patients.to_pylist(), strict=True):
            if value in self._notes or (self._of(value) is None and len(self._notes) < _REMEMBERED):
                self._notes[value] += 1
                if len(owners := self._patients.setdefault(value, set())) < SHARED:
                    owners.add(patient)

    def unknown(self) -> str:
        """How many notes have a value that is not known, and which; "" if none has."""
        if not self._notes:
            return ""
        found = {value: len(self._patients[value]) for value, _ in self._notes.most_common()}
        return f"{self._notes.total()} notes ({listed(found)})"
