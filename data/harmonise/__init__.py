"""Notes of any source -> notes in common words: an ordered registry of named steps between reader and cleaning.

Every step of ``crossward.config.harmonising.STEPS`` is a module of its name here with a class ``Step``: made from the
configuration, called with a piece (a table with the columns ``data.readers.COLUMNS``, and ``kind`` once ``categories``
is through), which it returns changed; ``report`` says at the end what it could not do, without quoting a note. A
hospital switches steps off by name (``skip`` in its notes.toml).

Not for: cleaning (``data.cleaning``), or which notes are used (``data.notes_file``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Protocol

import pyarrow as pa

from crossward.config.data_settings import DataConfig
from crossward.config.harmonising import STEPS


class Step(Protocol):
    """One step, for one reading of one hospital's notes."""

    def __call__(self, piece: pa.Table) -> pa.Table:
        """The piece with this step done; as many rows, in their order."""

    def report(self) -> str:
        """What could not be brought to common words, in one line; "" if all could."""


class Harmoniser:
    """The steps that a hospital has not switched off, in their order."""

    def __init__(self, config: DataConfig) -> None:
        wanted = [name for name in STEPS if name not in config.notes.skip]
        self.steps: list[Step] = [resolve_name(f"data.harmonise.{name}:Step")(config) for name in wanted]

    def __call__(self, pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """``pieces`` in common words; ``kind`` is "" throughout where categories are not mapped."""
        for piece in pieces:
            for step in self.steps:
                piece = step(piece)
            if "kind" not in piece.column_names:
                piece = piece.append_column("kind", pa.array([""] * piece.num_rows, pa.string()))
            yield piece

    def reports(self) -> list[str]:
        """What the steps could not do."""
        return [said for step in self.steps if (said := step.report())]
