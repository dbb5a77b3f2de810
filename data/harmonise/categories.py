"""Note categories to the common ones (``crossward.config.harmonising.CATEGORIES``), in the column ``kind``.

The hospital's own mapping comes first, then LOINC document codes, then public words. What none of them knows has the
kind "" and is named in the log. Not for: leaving notes out by their kind (``data.notes_file``).
"""

from __future__ import annotations

import re

import pyarrow as pa

from crossward.config.data_settings import DataConfig
from crossward.config.harmonising import CATEGORIES
from data.harmonise.document_types import LOINC, WORDS
from data.harmonise.mapping import Translated

_CODE = re.compile(r"^(?:loinc:|http://loinc\.org\|)?(\d{1,5}-\d)$")


class Step:
    """Adds ``kind`` to a piece."""

    def __init__(self, config: DataConfig) -> None:
        self.described = config.described is not None
        self.own = {own.strip().lower(): common for own, common in config.notes.categories}
        self.translated = Translated(self._common)

    def _common(self, category: str) -> str | None:
        word = " ".join(category.lower().split())
        if word in self.own:
            return self.own[word]
        if found := _CODE.match(word):
            return self.own.get(found[1]) or LOINC.get(found[1])
        return WORDS.get(word) or (word if word in CATEGORIES else None)

    def __call__(self, piece: pa.Table) -> pa.Table:
        """``piece`` with ``kind``."""
        return piece.append_column("kind", self.translated(piece["category"], piece["patient_id"]))

    def report(self) -> str:
        """What no mapping knows; nothing where there is no notes.toml to map it in."""
        unknown = self.translated.unknown() if self.described else ""
        return f"{unknown} have a category of no common kind: map it in [categories]" if unknown else ""
