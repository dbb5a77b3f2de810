"""Which of the label holder's patients train, which stop the training and calibrate, and which are held out.

A function of the patient's identifier and the seed, so that who is held out stays so whatever else changes.

Not for: which patients are in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from client_app.vertical.learning.arrays import Ints
from data.splits import uniforms


@dataclass(frozen=True)
class Split:
    """Rows of the label holder's patients, int64 each; no patient is in two of them."""

    train: Ints
    validation: Ints
    test: Ints

    def within(self, rows: Ints) -> Split:
        """The part of it that is in ``rows``."""
        return Split(*(np.intersect1d(part, rows) for part in (self.train, self.validation, self.test)))


def split(patients: Sequence[str], seed: int, *, validation: float = 0.2, test: float = 0.25) -> Split:
    """About the shares ``validation`` and ``test`` of ``patients``, and the rest to train on."""
    drawn = uniforms(patients, seed, "vertical")
    rows = np.arange(len(patients), dtype=np.int64)
    held, stops = drawn < test, drawn < test + validation
    return Split(rows[~stops], rows[stops & ~held], rows[held])
