"""What a party of a vertical run has of its patients: one row a patient, in the party's own identifiers.

Not for: hospitals with notes of different patients (``data.hospitals``), how files are read (``data.tabular``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PartyData:
    """A party's patients.

    Parameters
    ----------
    patients : tuple of str
        Identifiers as this party writes them, all different.
    values : float64 [patients, features] or None
        A table, NaN where a value is missing.
    names : tuple of str
        Of the features.
    notes : tuple of str or None
        All notes of each patient up to the moment of prediction, joined.
    outcome : uint8 [patients] or None
        At the label holder.
    digest : str
        SHA-256 of all of it, hexadecimal.
    """

    patients: tuple[str, ...]
    values: NDArray[np.float64] | None
    names: tuple[str, ...]
    notes: tuple[str, ...] | None
    outcome: NDArray[np.uint8] | None
    digest: str
