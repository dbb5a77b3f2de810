"""Made-up patients: who they are, when they were in hospital, how ill they were and whether they died.

Severity is a standard normal number nobody sees; text and laboratory values depend on it with noise, death does
too. That keeps the outcome predictable from text, but only so far. Not for wording: see notes.py.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import random

from data.synthetic.houses import Diagnosis, House

SLOPE = 2.3  # of the log odds of death in severity: text alone then reaches an AUROC near 0.8, never 1
BASE = -2.2


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
    """One patient's admissions (mostly one, sometimes two; none after death), ids counting up from ``hadm``."""
    mean, spread = house.age
    infant = mean == 0
    age = 0.0 if infant else min(95.0, max(18.0, rng.gauss(mean, spread)))
    sex = rng.choice("MF")
    start = dt.datetime(rng.randint(2101, 2190), rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23))
    born = start - dt.timedelta(days=age * 365.25)
    stays: list[Stay] = []
    for _ in range(1 if infant or rng.random() < 0.88 else 2):
        severity = rng.gauss(0, 1)
        odds = BASE + house.deaths + SLOPE * severity + (0 if infant else 0.02 * (age - mean))
        died = rng.random() < 1 / (1 + math.exp(-odds))
        days = min(60.0, max(1.0, rng.lognormvariate(1.6 + 0.2 * severity, 0.6)))
        stop = start + dt.timedelta(minutes=round(days * 1440))
        count = min(len(house.ward.diagnoses), rng.randint(2, 6))
        diagnoses = tuple(rng.sample(house.ward.diagnoses, count))
        stays.append(Stay(subject, hadm + len(stays), sex, age, born, start, stop, severity, died, diagnoses))
        if died:
            break
        start = stop + dt.timedelta(days=rng.randint(10, 400))
    return stays
