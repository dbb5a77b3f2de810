"""Whether what is predicted happened, as a party's own column says it: ``happened``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crossward.config.notes_settings import LabelColumn
from crossward.config.party_settings import Outcome
from data.errors import DataError
from data.harmonise.outcomes import Outcomes
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
    meaning = {value: _meaning(value, outcome, reader) for reader in [_words(outcome, where)] for value in counted}
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


def _words(outcome: Outcome, where: str) -> Outcomes:
    return Outcomes(LabelColumn(outcome.column), where)


def _meaning(value: str, outcome: Outcome, words: Outcomes) -> int | None:
    if not value:
        return UNKNOWN
    if outcome.positive:
        return int(value in outcome.positive)
    found = words(value)
    return None if found is None else OUTCOMES.index(found)
