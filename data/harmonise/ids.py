"""Ids of notes, patients and encounters in one spelling, by the rule of ``data.ids``."""

from __future__ import annotations

import pyarrow as pa

from crossward.config.data_settings import DataConfig
from data.ids import same_ids

_IDS = ("note_id", "patient_id", "encounter_id")


class Step:
    """Whole numbers by value, other ids without outer white space."""

    def __init__(self, config: DataConfig) -> None:
        del config

    def __call__(self, piece: pa.Table) -> pa.Table:
        """``piece`` with its ids in one spelling."""
        for name in _IDS:
            piece = piece.set_column(piece.schema.get_field_index(name), name, same_ids(piece[name]))
        return piece

    def report(self) -> str:
        """Every text is an id."""
        return ""
