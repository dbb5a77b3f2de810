"""Note categories to the common ones (``crossward.config.harmonising.CATEGORIES``), in the column ``kind``.

Not for: leaving notes out by them (``data.notes_file``).
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from crossward.config.data_settings import DataConfig
from data.readers import Counts


def step(config: DataConfig, counts: Counts) -> Callable[[pa.Table], pa.Table]:
    """Adds ``kind`` to a piece, by the hospital's mapping."""
    known = {own.strip().lower(): common for own, common in config.notes.categories}

    def categorise(piece: pa.Table) -> pa.Table:
        kinds = [known.get(own.strip().lower(), "") for own in piece["category"].to_pylist()]
        return piece.append_column("kind", pa.array(kinds, pa.string()))

    return categorise
