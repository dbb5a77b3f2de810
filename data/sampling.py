"""Poisson sampling of examples or patients: who enters a step of differentially private training, and with what.

Each unit enters a step independently with probability ``batch / units``, so a step may hold more, fewer or none: it is
this sampling that the accountant (``crossward.privacy.accounting``) counts. Sequences are windows of one note each,
whatever ``data.packing`` says: a packed sequence would join patients.

* An *example* is a note. One of its windows is drawn each time it enters, so that a long note is as well protected
  as a short one: with or without it, one clipped gradient differs.
* A *patient* enters with at most ``most`` windows, drawn at random among those of all the patient's notes.

What is drawn is secret: amplification by sampling holds against those who do not know who was sampled. So the
generator must not be seeded by anything that others know, such as the run's seed.

Not for: training without privacy (``data.batches``) or gradients (``crossward.privacy``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.batches import Ints, answered, padded, window, windows
from data.errors import DataError
from data.tokens import Ids, TokenDataset

if TYPE_CHECKING:
    import torch

Rows = list[Ints]  # for each sampled unit its sequences, int64 [k], k at least 1


def count_units(tokens: TokenDataset, by_patient: bool) -> int:
    """How many patients, or notes, a data set has."""
    return len(tokens.patient_ids) if by_patient else len(tokens)


class PoissonSampler:
    """Draws the units of steps from ``tokens``.

    Parameters
    ----------
    tokens : TokenDataset
        The training notes.
    by_patient : bool
        Whether a unit is a patient, or a note.
    batch : int
        Units that enter on average.
    most : int
        Sequences that a patient enters with at most; a note enters with one.

    Attributes
    ----------
    units : int
        How many there are.
    rate : float
        The probability with which each enters.
    lengths : NDArray[np.int64]
        About how many tokens each sequence has, [sequences].

    Raises
    ------
    DataError
        ``batch`` is more than there are units: the probability would exceed 1.
    """

    def __init__(self, tokens: TokenDataset, by_patient: bool, batch: int, most: int = 1) -> None:
        self.tokens, self.most = tokens, most if by_patient else 1
        self.units = count_units(tokens, by_patient)
        if not 1 <= batch <= self.units:
            what = "patients" if by_patient else "notes (examples)"
            raise DataError(
                f"privacy.batch = {batch}, but this hospital trains on {self.units} {what}: of those {batch} cannot be "
                f"drawn on average. Set privacy.batch to at most {self.units}"
            )
        self.rate = batch / self.units
        notes, self._firsts = windows(tokens)
        if tokens.frame.answers:  # the label task's sequence is the whole note
            notes, self._firsts = np.arange(len(tokens)), tokens.offsets[:-1]
        owner = tokens.patients[notes] if by_patient else notes
        self._notes = notes
        self.lengths = np.minimum(tokens.max_tokens, tokens.offsets[notes + 1] - self._firsts)
        self._order = np.argsort(owner, kind="stable")
        self._bounds = np.searchsorted(owner[self._order], np.arange(self.units + 1))

    def draw(self, generator: np.random.Generator) -> Rows:
        """One step's units, each with its sequences; an empty list when none enters."""
        sampled = np.flatnonzero(generator.random(self.units) < self.rate)
        return [self._sequences(int(unit), generator) for unit in sampled]

    def _sequences(self, unit: int, generator: np.random.Generator) -> Ints:
        mine = self._order[self._bounds[unit] : self._bounds[unit + 1]]
        if len(mine) <= self.most:
            return mine
        return generator.choice(mine, self.most, replace=False)

    def _made(self, sequence: int) -> tuple[Ids, int]:
        note = int(self._notes[sequence])
        if self.tokens.frame.answers:
            return answered(self.tokens, note, int(self.tokens.answers[note]))
        return window(self.tokens, note, int(self._firsts[sequence]))

    def batch(self, sequences: Sequence[int]) -> dict[str, torch.Tensor]:
        """input_ids, attention_mask and labels of ``sequences``, int64 [b, t], padded to the longest."""
        return padded([self._made(int(sequence)) for sequence in sequences], self.tokens.frame.pad)
