"""Made-up patients: who they are, when they were in hospital, how ill they were and whether they died.

Severity is a standard normal number nobody sees; text and laboratory values depend on it with noise. Death depends on
what the stay's notes say, with noise: the share of grave ones among the findings and events that they mention. So the
outcome can be learned from text, but only so far. Not for wording: see notes.py.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import random

from data.synthetic.houses import Diagnosis, House

BASE, SLOPE = -12.6, 22.0  # log odds of death: in the share of grave findings and events
PRIOR = (0.7, 2.0)  # grave ones, and all of them, that count as mentioned in every stay
_SEVERE, _SEVERE_SLOPE = -2.2, 2.3  # log odds, in severity, that a patient does not come again


@dataclasses.dataclass(frozen=True)
class Stay:
    """One admission of one patient."""

    subject: int
    hadm: int
    sex: str
    age: float
    born: dt.datetime
    admitted: dt.datetime
    discharged: dt.datetime
    severity: float
    died: bool
    diagnoses: tuple[Diagnosis, ...]

    @property
    def death(self) -> dt.datetime | str:
        """The time of death, "" of somebody who left alive."""
        return self.discharged if self.died else ""

    @property
    def days(self) -> str:
        """Length of the stay as the tables write it."""
        return f"{(self.discharged - self.admitted).total_seconds() / 86_400:.4f}"


def make_stays(house: House, subject: int, hadm: int, rng: random.Random) -> list[Stay]:
    """One patient's admissions (mostly one, sometimes two), ids counting up from ``hadm``; nobody has died yet."""
    mean, spread = house.age
    infant = mean == 0
    age = 0.0 if infant else min(95.0, max(18.0, rng.gauss(mean, spread)))
    sex = rng.choice("MF")
    start = dt.datetime(rng.randint(2101, 2190), rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23))
    born = start - dt.timedelta(days=age * 365.25)
    stays: list[Stay] = []
    for _ in range(1 if infant or rng.random() < 0.88 else 2):
        severity = rng.gauss(0, 1)
        odds = _SEVERE + house.deaths + _SEVERE_SLOPE * severity + (0 if infant else 0.02 * (age - mean))
        never_again = rng.random() < 1 / (1 + math.exp(-odds))
        days = min(60.0, max(1.0, rng.lognormvariate(1.6 + 0.2 * severity, 0.6)))
        stop = start + dt.timedelta(minutes=round(days * 1440))
        count = min(len(house.ward.diagnoses), rng.randint(2, 6))
        diagnoses = tuple(rng.sample(house.ward.diagnoses, count))
        stays.append(Stay(subject, hadm + len(stays), sex, age, born, start, stop, severity, False, diagnoses))
        if never_again:
            break
        start = stop + dt.timedelta(days=rng.randint(10, 400))
    return stays


def dies(house: House, grave: int, mentioned: int, rng: random.Random) -> bool:
    """Whether a stay ends in death whose notes mention so many findings and events, ``grave`` of them grave ones."""
    share = (grave + PRIOR[0]) / (mentioned + PRIOR[1])
    return rng.random() < 1 / (1 + math.exp(-(BASE + house.deaths + SLOPE * share)))
