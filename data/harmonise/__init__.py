"""Notes of any source -> notes in common words: an ordered registry of named steps between reader and cleaning.

A step is a module with ``step(config, counts)``, which returns a function of a piece (``data.readers.COLUMNS``, and
``kind`` once ``categories`` is through) that returns a piece. A hospital switches steps off by their names (``skip`` in
its notes.toml).

Not for: cleaning (``data.cleaning``), or which notes are used (``data.notes_file``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pkgutil import resolve_name

import pyarrow as pa

from crossward.config.data_settings import DataConfig
from crossward.config.harmonising import STEPS
from data.readers import Counts

Step = Callable[[pa.Table], pa.Table]


def steps(config: DataConfig, counts: Counts) -> list[Step]:
    """The steps that this hospital has not switched off, in their order."""
    wanted = [name for name in STEPS if name not in config.notes.skip]
    return [resolve_name(f"data.harmonise.{name}:step")(config, counts) for name in wanted]


def harmonised(pieces: Iterator[pa.Table], config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """``pieces`` in common words, with the column ``kind``, the common category ("" where it is not known)."""
    chain = steps(config, counts)
    for piece in pieces:
        for one in chain:
            piece = one(piece)
        if "kind" not in piece.column_names:
            piece = piece.append_column("kind", pa.array([""] * piece.num_rows, pa.string()))
        yield piece
