"""What is left out of a stream of rows, and why: ``Rows``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.csv_files import LINE
from data.formats.form import Form
from data.quarantine import Intake
from data.readers.pieces import Counts
from data.release_files import stream_release

Mask = npt.NDArray[np.bool_]


class Rows:
    """The rows of one table, piece by piece, each left out under one reason or kept.

    ``counts["read"]`` is ``counts["kept"]`` plus all reasons once the table is read.
    """

    def __init__(self, path: Path, form: Form, counts: Counts) -> None:
        self.path, self.form, self.counts = path, form, counts
        self.intake = Intake(path, counts)

    def pieces(self, needed: Sequence[str], optional: Sequence[str] = ()) -> Iterator[pa.Table]:
        """Pieces with these columns and ``LINE``."""
        for piece in stream_release(self.path, needed, self.form, optional, self.intake):
            self.counts["read"] += piece.num_rows
            yield piece

    def keep(self, piece: pa.Table, mask: Mask, reason: str) -> pa.Table:
        """``piece`` where ``mask`` holds."""
        return self.counts.keep(piece, pa.array(mask), reason)

    def readable(self, piece: pa.Table, mask: Mask, why: str) -> pa.Table:
        """``piece`` where ``mask`` holds; the other rows are quarantined by their lines.

        Raises
        ------
        DataError
            there are too many of them.
        """
        bad = piece[LINE].to_numpy()[~mask]
        if not len(bad):
            return piece
        self.intake.good -= len(bad)
        self.counts["read"] -= len(bad)
        for line in bad.tolist():
            self.intake.reject(line, why)
        return piece.filter(pa.array(mask))


class Unreported(Counts):
    """Of an earlier reading of the same table: its bad rows are reported once, by the later one."""

    def quarantine(self, path: Path, line: int, why: str, detail: str = "") -> None:
        """Nothing."""
