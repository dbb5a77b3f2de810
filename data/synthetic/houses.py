"""The made-up hospitals, largest first: ``HOUSES``. A file each, ``phrases/*.toml``, says how that house writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from data.synthetic.phrase_files import load


@dataclasses.dataclass(frozen=True)
class Section:
    """One section of a note: ``count`` templates (from, to) of ``kind``, joined as ``layout`` says."""

    heading: str
    kind: str = ""
    layout: Literal["prose", "lines", "bullets", "numbers", "commas"] = "prose"
    count: tuple[int, int] = (0, 0)
    probability: float = 1.0


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """A diagnosis as the chart names it and as both revisions of the ICD code it."""

    icd9: str
    icd10: str
    text: str


@dataclasses.dataclass(frozen=True)
class Ward:
    """What a house sees.

    ``fair`` and ``grave`` findings, ``better`` and ``worse`` events are drawn by the patient's severity, with noise,
    which is what ties text to outcome.
    """

    diagnoses: tuple[Diagnosis, ...]
    complaints: tuple[str, ...]
    fair: tuple[str, ...]
    grave: tuple[str, ...]
    better: tuple[str, ...]
    worse: tuple[str, ...]
    procedures: tuple[str, ...]
    imaging: tuple[str, ...]
    plans: tuple[str, ...]
    drugs: tuple[str, ...]
    labs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class House:
    """One hospital: what it is called, what it sees, how it writes.

    ``unit`` is its ICUSTAYS.FIRST_CAREUNIT, ``service`` its SERVICES.CURR_SERVICE; ``age`` is mean and standard
    deviation in years, ``deaths`` is added to the log odds of death; ``notes`` maps a note category to its sections,
    ``phrases`` a section's kind to its templates; ``case`` is "" (as written), "lower" or "upper" for the whole note.
    """

    name: str
    unit: str
    service: str
    age: tuple[float, float]
    deaths: float
    drug: str
    lab: str
    bullet: str
    after_heading: str
    between: str
    notes: Mapping[str, tuple[Section, ...]]
    phrases: Mapping[str, tuple[str, ...]]
    ward: Ward
    case: Literal["", "lower", "upper"] = ""


_NAMES = ("heart", "medicine", "trauma", "newborn", "nerves", "cancer", "kidney", "mind")
HOUSES = tuple(load(House, name) for name in _NAMES)
