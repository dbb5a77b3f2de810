"""What decides who dies where several parties hold parts of it: ``Factors`` and ``chance_of_death``.

Five numbers of a stay that nobody sees: what its notes say within the first two days, three of organs that laboratory
values follow, one that vital signs follow. The log odds of death are a sum of them and of the product of the notes'
and the laboratory's: ill by the notes *and* by the values is worse than both together. So neither side predicts alone
what both do together; tests/data/synthetic/test_measured.py measures it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import random

from data.synthetic.tables import Record

HOURS = 48.0
"""Notes of so many hours from admission count, summaries of the stay apart: what can be known at that moment."""
SUMMARY = "Discharge summary"
_MEAN, _SPREAD, _OWN = 0.32, 0.2, 0.5  # of the share of grave findings; what notes say beside it
_BASE = -5.8
_WEIGHTS = {"notes": 3.6, "labs": 3.9, "vitals": 2.9, "both": 3.0}
_ORGANS = {"perfusion": 0.65, "kidney": 0.55, "liver": 0.52}  # squares add up to about one


@dataclasses.dataclass(frozen=True)
class Factors:
    """Of one stay, each about standard normal."""

    notes: float
    perfusion: float
    kidney: float
    liver: float
    vitals: float

    @property
    def labs(self) -> float:
        """What the organs come to."""
        return sum(weight * float(getattr(self, name)) for name, weight in _ORGANS.items())

    @property
    def log_odds(self) -> float:
        """Of death in the stay."""
        weights = _WEIGHTS
        alone = weights["notes"] * self.notes + weights["labs"] * self.labs + weights["vitals"] * self.vitals
        return _BASE + alone + weights["both"] * max(0.0, self.notes) * max(0.0, self.labs)


def usable(record: Record) -> list[int]:
    """The places of the notes of ``record`` that can be known at the moment of prediction."""
    last = record.stay.admitted + dt.timedelta(hours=HOURS)
    found = enumerate(record.notes)
    return [at for at, note in found if note.category != SUMMARY and note.charted <= last and not note.error]


def draw(record: Record, rng: random.Random) -> Factors:
    """The factors of a stay: that of notes by what its usable notes mention, the others independent of it."""
    notes = [record.notes[at] for at in usable(record)]
    grave, mentioned = sum(note.grave for note in notes), sum(note.mentioned for note in notes)
    share = (grave + 2 * _MEAN) / (mentioned + 2)
    said = (share - _MEAN) / _SPREAD
    own = rng.gauss(0, 1)
    mixed = math.sqrt(1 - _OWN**2) * said + _OWN * own
    return Factors(mixed, *(rng.gauss(0, 1) for _ in range(4)))


def dies(factors: Factors, rng: random.Random) -> bool:
    """Whether a stay of such factors ends in death."""
    return rng.random() < 1 / (1 + math.exp(-factors.log_odds))
