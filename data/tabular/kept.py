"""The patients of a cohort that a party has something of: ``patients_with``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data.errors import DataError
from data.party import PartyData
from data.readers.pieces import Counts
from data.tabular.cohort import Stays
from data.tabular.outcomes import UNKNOWN
from data.tabular.texts import Floats

KEPT = "kept"
log = logging.getLogger("crossward.data")


def patients_with(
    stays: Stays,
    has: npt.NDArray[np.bool_],
    values: Floats | None,
    names: Sequence[str],
    path: Path,
    counts: Counts,
    notes: Sequence[str] | None = None,
) -> PartyData:
    """The patients of ``stays`` where ``has`` holds and, at the label holder, an outcome is known.

    ``counts.patients`` gets what became of every patient of the cohort.

    Raises
    ------
    DataError
        there is none.
    """
    kept = has.copy()
    known = np.ones_like(has) if stays.outcome is None else stays.outcome != UNKNOWN
    kept &= known
    what = "note" if notes is not None else "value"
    counts.patients = {
        KEPT: int(kept.sum()),
        f"have no {what} in their window": int((~has).sum()),
        "have no outcome": int((has & ~known).sum()),
    }
    others = [f"{number} {why}" for why, number in counts.patients.items() if why != KEPT]
    said = f"of {len(has)} patients of the cohort {counts.patients[KEPT]} are kept, {', '.join(others)}"
    log.info("%s: %s", path, said)
    if not kept.any():
        raise DataError(
            f"{path}: {said}. Do the cohort and this table write identifiers in the same way, and are times by the "
            "same calendar? Otherwise widen [window]."
        )
    at = np.flatnonzero(kept)
    return PartyData(
        tuple(stays.patients[row] for row in at.tolist()),
        None if values is None else values[at],
        tuple(names),
        None if notes is None else tuple(notes[row] for row in at.tolist()),
        None if stays.outcome is None else stays.outcome[at].astype(np.uint8),
    )
