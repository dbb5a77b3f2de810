"""Which of a hospital's training notes decide how far its personal adapter is trained: those of a few patients.

Patients are drawn from the training set, never from those held out, whose figures the hospital is shown. A patient's
notes stay together: they are alike, and a validation set with some of them would hold what was trained on.

Where patients are few, those that validate take no part in what the hospital trains for the global adapter either: with
a dozen patients it knows each of them by heart (0.3 to 0.6 nats a token below its loss on held-out ones), and to stay
near it would seem better than it is. Among :data:`MANY` it hardly does, and the consortium would miss their notes.

Not for: hospitals and held-out patients (``data.plan``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


MANY = 100  # training patients, of whom a tenth are not missed
VALIDATION_TOKENS = 8  # a training's tokens by those of one measurement


class Split(NamedTuple):
    """Training notes, as positions int64: those to fit, those to validate on, which share no patient.

    ``many``: of a hospital of :data:`MANY` training patients or more.
    """

    fit: Ints
    validation: Ints
    many: bool


def validation_split(patients: Ints, lengths: Ints, tokens: int, seed: int) -> Split | None:
    """Who validates at a hospital whose personal adapter is trained on ``tokens``; None with a single patient."""
    many = len(np.unique(patients)) >= MANY
    return by_patient(patients, lengths, 0.1 if many else 0.2, tokens // VALIDATION_TOKENS, seed)


def by_patient(patients: Ints, lengths: Ints, share: float, tokens: int, seed: int) -> Split | None:
    """A split of notes, of ``patients`` int64 [notes] and ``lengths`` int64 [notes]; None with a single patient.

    About ``share`` of the patients validate, fewer where ``tokens`` in all is reached before; at least one does. Which
    ones follows from ``seed`` alone.
    """
    known = np.unique(patients)
    if len(known) < 2:
        return None
    order = np.random.default_rng(seed).permutation(known)[: max(1, round(share * len(known)))]
    held = np.bincount(patients, weights=lengths)[order].cumsum()
    chosen = order[: max(1, int((held <= tokens).sum()))]
    validates = np.isin(patients, chosen)
    return Split(np.flatnonzero(~validates), np.flatnonzero(validates), len(known) >= MANY)
