"""Makes the patients of the made-up hospitals and streams them as rows; ``records`` is shared by both MIMIC forms.

Not for file formats: tables_iii.py and tables_iv.py write the columns that each MIMIC release has.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator

from data.synthetic.houses import HOUSES, House
from data.synthetic.notes import write_note
from data.synthetic.patients import Stay, dies, make_stays


@dataclasses.dataclass(frozen=True)
class Note:
    """A note of a stay: ``error`` marks one that was entered in error (ISERROR).

    ``mentioned`` findings and events are in its text, ``grave`` of them grave ones.
    """

    category: str
    charted: dt.datetime
    text: str
    error: bool = False
    grave: int = 0
    mentioned: int = 0


@dataclasses.dataclass(frozen=True)
class Record:
    """One admission with its notes, written by ``house``."""

    house: House
    stay: Stay
    notes: tuple[Note, ...]


def shares(total: int, hospitals: int) -> list[int]:
    """``total`` patients over ``hospitals`` hospitals in the proportions n+1 : n : ... : 2, each at least two."""
    weights = list(range(hospitals + 1, 1, -1))
    return [max(2, round(total * weight / sum(weights))) for weight in weights]


def _notes(house: House, stay: Stay, rng: random.Random) -> tuple[tuple[Note, ...], int, int]:
    """A stay's notes, and how many grave findings and events of how many they mention together."""
    found: list[Note] = []
    grave = mentioned = 0
    length = (stay.discharged - stay.admitted).total_seconds()
    for _ in range(rng.choice((1, 2, 2, 3))):
        category = rng.choices(("Physician", "Nursing", "Radiology", "Discharge summary"), (38, 27, 15, 20))[0]
        if category == "Discharge summary" and any(note.category == category for note in found):
            category = "Physician"
        share = 1.0 if category == "Discharge summary" else rng.betavariate(1, 2.5)
        charted = stay.admitted + dt.timedelta(minutes=round(length * share / 60))
        written = write_note(house, stay, category, rng)
        grave, mentioned = grave + written.grave, mentioned + written.mentioned
        found.append(Note(category, charted, written.text, False, written.grave, written.mentioned))
        if rng.random() < 0.015:  # entered in error, or filed twice
            found.append(dataclasses.replace(found[-1], error=True))
        elif rng.random() < 0.02:
            found.append(found[-1])
    return tuple(found), grave, mentioned


def records(patients: int, hospitals: int, seed: int, only: int | None = None) -> Iterator[Record]:
    """All admissions of ``patients`` patients, hospital by hospital; ``only`` keeps one hospital (from 0).

    A patient's record depends on the seed, the hospital and the patient's number alone.

    Raises
    ------
    ValueError
        there are no that many made-up hospitals.
    """
    if not 1 <= hospitals <= len(HOUSES):
        raise ValueError(f"there are 1 to {len(HOUSES)} made-up hospitals, not {hospitals}")
    for index, count in enumerate(shares(patients, hospitals)):
        if only is not None and index != only:
            continue
        house = HOUSES[index]
        for number in range(count):
            rng = random.Random(f"{seed}/{index}/{number}")
            subject = 10_000 + (index + number * 8)
            fate = random.Random(f"{seed}/{index}/{number}/fate")  # its own: what is written does not depend on it
            stays = make_stays(house, subject, 100_000 + 10 * subject, rng)
            for stay in stays:
                notes, grave, mentioned = _notes(house, stay, rng)
                died = dies(house, grave, mentioned, fate) and stay is stays[-1]  # nobody comes again after death
                yield Record(house, dataclasses.replace(stay, died=died), notes)
