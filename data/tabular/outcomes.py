"""Whether what is predicted happened, as a party's own column says it: ``happened``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crossward.config.party_settings import Outcome
from data.errors import DataError
from data.harmonise.outcomes import FLAGS, WORDS
from data.labels import OUTCOMES
from data.quoting import listed

UNKNOWN = -1


def happened(values: Sequence[str], outcome: Outcome, where: str) -> npt.NDArray[np.int8]:
    """1, 0 or ``UNKNOWN`` (where nothing is said) for each of ``values``.

    Raises
    ------
    DataError
        a value says neither; all say the same.
    """
    counted = Counter(value.strip() for value in values)
    meaning = {value: _meaning(value, outcome) for value in counted}
    if unknown := {value: counted[value] for value, found in meaning.items() if found is None}:
        raise DataError(
            f"{where}: column {outcome.column!r} of the outcome holds values that say neither yes nor no "
            f"({listed(unknown)}): name those that say that it happened, positive = [...] in [outcome]"
        )
    found = np.array([meaning[value.strip()] for value in values], np.int8)
    if len(set(found.tolist()) - {UNKNOWN}) < 2:
        raise DataError(
            f"{where}: column {outcome.column!r} of the outcome says the same of every patient: patients of whom it "
            "happened, and others, were expected. Check the column, and positive = [...] in [outcome]"
        )
    return found


def _meaning(value: str, outcome: Outcome) -> int | None:
    """None where it is not known. Codes of dispositions are not: as numbers they could be anything."""
    if not value:
        return UNKNOWN
    if outcome.positive:
        return int(value in outcome.positive)
    word = "-".join(value.lower().split())
    found = WORDS.get(word) or FLAGS.get(word)
    return None if found is None else OUTCOMES.index(found)
