"""The parties of a simulation: a hospital with notes and outcomes, one with vital signs, a laboratory.

``simulated_party`` is what one of them has; ``withheld`` is what none but the label holder knows and an evaluation
needs. The parties share some patients, each has others of its own, and each writes identifiers in its own way.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from data.errors import DataError
from data.party import PartyData
from data.synthetic.measured.factors import HOURS, usable
from data.synthetic.measured.items import ITEMS, Item
from data.synthetic.measured.values import Draw, Measured, with_values
from data.synthetic.tables import records

PARTIES = ("Harbour Heart", "Millbrook", "Laboratory")
PREFIX = "MRN-"
"""In front of identifiers at the first party."""
_SPELLINGS: tuple[Callable[[int], str], ...] = (
    lambda subject: f"{PREFIX}{subject:07d}",
    str,
    lambda subject: f"{subject // 1000:04d} {subject % 1000:03d}",
)


@dataclasses.dataclass(frozen=True)
class Withheld:
    """Of a party's patients in its order: who they are, which are common to all parties, who died.

    ``people`` is int64 [patients], the same number at every party; ``common`` bool; ``outcome`` uint8. For evaluation
    alone: no party of a simulation is given it.
    """

    people: npt.NDArray[np.int64]
    common: npt.NDArray[np.bool_]
    outcome: npt.NDArray[np.uint8]


def simulated_party(party: int, patients: int, overlap: float, seed: int = 0) -> PartyData:
    """What party ``party`` (a place in ``PARTIES``) has.

    Parameters
    ----------
    patients, overlap : int, float
        How many patients there are of all parties together, and which share of them is common to all; the others
        belong to one party each.
    seed : int
        The same seed makes the same patients.

    Raises
    ------
    DataError
        there is no such party, or not two patients of each kind.
    """
    rows = _rows(party, patients, overlap, seed)
    names: tuple[str, ...] = ()
    values = notes = outcome = None
    if party == 0:
        notes = tuple("\n\n".join(one.record.notes[at].text for at in _ordered(one)) for one in rows)
        outcome = np.array([one.record.stay.died for one in rows], np.uint8)
    else:
        items = ITEMS.vitals if party == 1 else ITEMS.labs
        found = [_summaries(one.vitals if party == 1 else one.labs, items, one.record.stay.admitted) for one in rows]
        values = np.array(found, np.float64)
        names = tuple(f"{item.label} ({item.id}) {what}" for item in items for what in _STATISTICS)
    return PartyData(tuple(_SPELLINGS[party](one.record.stay.subject) for one in rows), values, names, notes, outcome)


def withheld(party: int, patients: int, overlap: float, seed: int = 0) -> Withheld:
    """What an evaluation knows of the patients of :func:`simulated_party`."""
    rows = _rows(party, patients, overlap, seed)
    common = set(_parts(patients, overlap, seed)[-1].tolist())
    people = np.array([one.record.stay.subject for one in rows], np.int64)
    return Withheld(
        people,
        np.array([subject in common for subject in people.tolist()], bool),
        np.array([one.record.stay.died for one in rows], np.uint8),
    )


_STATISTICS = ("first", "last", "min", "max", "count")


def _ordered(one: Measured) -> list[int]:
    return sorted(usable(one.record), key=lambda at: one.record.notes[at].charted)


def _summaries(draws: Sequence[Draw], items: Sequence[Item], admitted: dt.datetime) -> list[float]:
    start, stop = admitted - dt.timedelta(hours=6), admitted + dt.timedelta(hours=HOURS)
    found: list[float] = []
    for item in items:
        values = [d.value for d in draws if d.item is item and d.value is not None and start <= d.time <= stop]
        found += [values[0], values[-1], min(values), max(values), len(values)] if values else [np.nan] * 4 + [0.0]
    return found


@functools.lru_cache(maxsize=2)
def _stays(patients: int, seed: int) -> dict[int, Measured]:
    """Subject -> last stay, of the first ``patients`` who have a note that can be known at the moment of prediction."""
    found: dict[int, Measured] = {}
    for one in with_values(records(2 * patients + 20, 1, seed), seed):
        if len(found) == patients and one.record.stay.subject not in found:
            break
        found.pop(one.record.stay.subject, None)
        if usable(one.record):
            found[one.record.stay.subject] = one
    return found


def _parts(patients: int, overlap: float, seed: int) -> list[npt.NDArray[np.int64]]:
    """The subjects of each party alone, and of all."""
    if not 0 <= overlap <= 1:
        raise DataError(f"overlap = {overlap}: a share from 0 to 1 of the patients was expected")
    common = round(patients * overlap)
    if common < 2 or 0 < patients - common < 2 * len(PARTIES):
        raise DataError(
            f"{patients} patients with an overlap of {overlap}: at least two in common and two more of each party, or "
            "none more, were expected"
        )
    subjects = np.array(list(_stays(patients, seed)), np.int64)
    mixed = np.random.default_rng([seed, 71]).permutation(subjects)
    return [*np.array_split(mixed[common:], len(PARTIES)), mixed[:common]]


def _rows(party: int, patients: int, overlap: float, seed: int) -> list[Measured]:
    if not 0 <= party < len(PARTIES):
        raise DataError(f"there is no party {party}: 0 to {len(PARTIES) - 1} were expected")
    parts = _parts(patients, overlap, seed)
    own = np.random.default_rng([seed, 72, party]).permutation(np.concatenate([parts[party], parts[-1]]))
    return [_stays(patients, seed)[subject] for subject in own.tolist()]
