"""Draws laboratory values and vital signs of a stay, and who dies of it: ``with_values``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import math
import random
from collections.abc import Iterable, Iterator, Sequence

from data.synthetic.measured.factors import HOURS, Factors, dies, draw, usable
from data.synthetic.measured.items import ITEMS, Item
from data.synthetic.stated import CONDITIONS, cased
from data.synthetic.tables import Note, Record

_LONGEST = 72.0  # hours of a stay in which anything is measured
_VARIES = 0.25  # from draw to draw, in standard deviations of a level
_UNREADABLE = 0.004  # of specimens give no number
_OUTPATIENT = 0.03  # of stays follow a visit to the laboratory days before
_STATED = 0.3
_CUTS = (-0.3, 0.4, 1.1)  # of what a note says between CONDITIONS


@dataclasses.dataclass(frozen=True)
class Draw:
    """One value: ``value`` is None where the specimen gave none, ``less`` marks one below what the method finds."""

    item: Item
    time: dt.datetime
    value: float | None
    less: bool = False
    outside: bool = False  # of the stay, before it

    @property
    def abnormal(self) -> bool:
        """Whether it is outside of the normal range."""
        low, high = self.item.normal
        return self.value is not None and not low <= self.value <= high


@dataclasses.dataclass(frozen=True)
class Measured(Record):
    """A stay with its values in the order of their times, and what decided how it ended."""

    factors: Factors
    labs: tuple[Draw, ...]
    vitals: tuple[Draw, ...]


def with_values(found: Iterable[Record], seed: int, labs: bool = True, vitals: bool = True) -> Iterator[Measured]:
    """``found``, patient by patient, with values, a last line in notes, and death by all of it.

    The notes' text before that line is as it was, and so is everything else about a stay; only a patient's last can end
    in death. What a stay gets depends on the seed and the stay alone, with or without ``labs`` and ``vitals``.
    """
    for _, group in itertools.groupby(found, lambda record: record.stay.subject):
        stays = list(group)
        for record in stays:
            stream = f"{seed}/{record.stay.hadm}"
            rng = random.Random(f"{stream}/factors")
            factors = draw(record, rng)
            died = dies(factors, rng) and record is stays[-1]
            stay = dataclasses.replace(record.stay, died=died)
            notes = _said(record, factors, random.Random(f"{stream}/said"))
            drawn = {
                "labs": _series(record, ITEMS.labs, factors, random.Random(f"{stream}/labs")) if labs else (),
                "vitals": _series(record, ITEMS.vitals, factors, random.Random(f"{stream}/vitals")) if vitals else (),
            }
            yield Measured(record.house, stay, notes, factors, **drawn)


def _said(record: Record, factors: Factors, rng: random.Random) -> tuple[Note, ...]:
    """The notes with a last line: of those that can be known at the moment of prediction it follows the factor."""
    known, lines, notes = set(usable(record)), dict[str, str](), []
    for at, note in enumerate(record.notes):
        if note.text not in lines:  # copies of a note stay copies
            level = factors.notes + rng.gauss(0, _STATED) if at in known else rng.gauss(0, 1)
            lines[note.text] = cased(f"Condition: {CONDITIONS[sum(level > cut for cut in _CUTS)]}.", record.house)
        notes.append(dataclasses.replace(note, text=f"{note.text}\n{lines[note.text]}"))
    return tuple(notes)


def _series(record: Record, items: Sequence[Item], factors: Factors, rng: random.Random) -> tuple[Draw, ...]:
    draws: list[Draw] = []
    for item in items:
        factor = float(getattr(factors, item.factor))
        odds = math.log((item.ordered + 1e-9) / (1 - item.ordered + 1e-9)) + 0.4 * factor  # the ill are measured more
        if rng.random() < 1 / (1 + math.exp(-odds)):
            draws += _of_item(record, item, factor, rng)
    return tuple(sorted(draws, key=lambda one: one.time))


def _of_item(record: Record, item: Item, factor: float, rng: random.Random) -> Iterator[Draw]:
    """Values of one item: the patient's level stays, the factor shows more and more of itself."""
    stay, infant = record.stay, record.house.age[0] == 0
    own = math.sqrt(1 - item.loading**2) * rng.gauss(0, 1)
    hours = min(_LONGEST, (stay.discharged - stay.admitted).total_seconds() / 3600)
    at = rng.uniform(0.2, min(8.0, item.every))
    if item.loinc and rng.random() < _OUTPATIENT:
        yield _charted(item, stay.admitted - dt.timedelta(days=rng.randint(5, 60)), own, rng, infant, True)
    while at < hours:
        shown = 0.7 + 0.3 * min(1.0, at / HOURS)
        level = item.loading * factor * shown + own
        yield _charted(item, stay.admitted + dt.timedelta(minutes=round(60 * at)), level, rng, infant)
        at += item.every * rng.uniform(0.6, 1.4)


def _charted(
    item: Item, time: dt.datetime, level: float, rng: random.Random, infant: bool, outside: bool = False
) -> Draw:
    level += _VARIES * rng.gauss(0, 1)
    if item.loinc and rng.random() < _UNREADABLE:
        return Draw(item, time, None, outside=outside)
    value = item.value(level, infant)
    return Draw(item, time, max(value, item.floor), value < item.floor, outside)
