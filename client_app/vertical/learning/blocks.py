"""What the label holder has of other parties: a block of embeddings each, for the patients in common.

Not for: how embeddings come about (``client_app.vertical.learning.bottoms``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client_app.vertical.learning.arrays import Floats, Ints, LearningError


@dataclass(frozen=True)
class Part:
    """A party's embeddings float32 [n, dim], of the label holder's patients ``rows`` int64 [n]."""

    rows: Ints
    embeddings: Floats


@dataclass(frozen=True)
class Blocks:
    """A block float32 [patients, dim] of each party, zero where it does not have the patient; ``present`` says where.

    ``present`` is bool [patients, parties]. A party that left is one that has no patient.
    """

    parts: tuple[Floats, ...]
    present: NDArray[np.bool_]

    @staticmethod
    def scatter(patients: int, parts: Sequence[Part]) -> Blocks:
        """Put each party's embeddings at their rows among the label holder's ``patients``.

        Raises
        ------
        LearningError
            a party's embeddings are not one finite float32 row for each of its rows, or its rows are not distinct
            patients of the label holder.
        """
        blocks, present = [], np.zeros((patients, len(parts)), bool)
        for number, part in enumerate(parts):
            _check(part, patients, number)
            block = np.zeros((patients, part.embeddings.shape[1]), np.float32)
            block[part.rows] = part.embeddings
            blocks.append(block)
            present[part.rows, number] = True
        return Blocks(tuple(blocks), present)

    @property
    def widths(self) -> tuple[int, ...]:
        """Values in an embedding of each party."""
        return tuple(block.shape[1] for block in self.parts)

    def without(self, party: int) -> Blocks:
        """The blocks once the party of that number has left."""
        parts = [np.zeros_like(one) if number == party else one for number, one in enumerate(self.parts)]
        present = self.present.copy()
        present[:, party] = False
        return Blocks(tuple(parts), present)

    def common(self) -> Ints:
        """Rows that every party has, int64, ascending; all of them where there is no other party."""
        return np.flatnonzero(self.present.all(axis=1)).astype(np.int64)


def _check(part: Part, patients: int, number: int) -> None:
    embeddings, rows = part.embeddings, part.rows
    if embeddings.ndim != 2 or len(embeddings) != len(rows) or not embeddings.shape[1]:
        raise LearningError(
            f"the embeddings of party block {number} have shape {list(embeddings.shape)} for {len(rows)} patients: "
            "expected a row for each."
        )
    if embeddings.dtype != np.float32 or not np.isfinite(embeddings).all():
        raise LearningError(
            f"the embeddings of party block {number} are to be float32 and finite: they are {embeddings.dtype}, or "
            "hold NaN or infinity."
        )
    if len(rows) and (rows.min() < 0 or rows.max() >= patients or len(np.unique(rows)) != len(rows)):
        raise LearningError(
            f"the rows of party block {number} are not distinct positions among {patients} patients: align again."
        )
