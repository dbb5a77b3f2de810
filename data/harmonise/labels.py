"""A source's labels to the label's own values: the same at every hospital, whatever it has.

Mortality and the ICD chapter have public values (``data.labels``); of any other label the hospital's ``values`` say
what its spelling means, and the rest stays as written. Notes whose label is not known are left out by
``data.notes_file``, as those without one are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from crossward.config.data_settings import LABEL, DataConfig
from crossward.config.data_sources import ICD_CHAPTER, MORTALITY
from crossward.config.notes_settings import LabelColumn
from data.harmonise.conditions import Chapters
from data.harmonise.mapping import Translated
from data.harmonise.outcomes import Outcomes
from data.harmonise.vocabulary import chapters_of
from data.sources import public_label

Translate = Callable[[str], str | None]


def _chapters(column: LabelColumn, config: DataConfig) -> Translate:
    tables: dict[str, Mapping[str, str]] = {system: chapters_of(Path(path)) for system, path in config.notes.vocabulary}
    return Chapters(column.system, tables)


def _outcomes(column: LabelColumn, config: DataConfig) -> Translate:
    return Outcomes(column, config.notes.file or config.path)


PUBLIC: dict[str, Callable[[LabelColumn, DataConfig], Translate]] = {MORTALITY: _outcomes, ICD_CHAPTER: _chapters}
"""Label with public values -> what makes its translation."""


class Step:
    """``label`` in the label's own values; nothing to do for the notes task."""

    def __init__(self, config: DataConfig) -> None:
        self.name = config.label
        column = config.notes.label(config.label) or LabelColumn("")
        self.own = dict(column.values)
        self.system = column.system
        self.public = PUBLIC[config.label](column, config) if config.task == LABEL and public_label(config) else None
        self.translated = Translated(self._value) if self.public or self.own else None

    def _value(self, value: str) -> str | None:
        value = self.own.get(value, value)
        return self.public(value) if self.public else value

    def __call__(self, piece: pa.Table) -> pa.Table:
        """``piece`` with its labels translated."""
        if self.translated is None:
            return piece
        values = self.translated(piece["label"], piece["patient_id"])
        return piece.set_column(piece.schema.get_field_index("label"), "label", values)

    def report(self) -> str:
        """Labels that are not known."""
        unknown = self.translated.unknown() if self.translated else ""
        return (
            f"{unknown} have a value that is not known as a label of {self.name!r}: map it in [labels.{self.name}] "
            "values, name its code system, or the table of codes in [vocabulary]"
            if unknown
            else ""
        )
