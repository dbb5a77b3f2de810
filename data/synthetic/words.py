"""Vocabulary and phrases that every hospital shares: ``WORDS``, from ``phrases/words.toml``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from data.synthetic.phrase_files import load


@dataclasses.dataclass(frozen=True)
class Drug:
    """A drug with the doses and routes it is written with."""

    name: str
    doses: tuple[str, ...]
    unit: str
    routes: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure:
    """A number of a patient: normal(mean + slope * severity, sd), never below ``low`` or above ``high``."""

    mean: float
    sd: float
    slope: float = 0.0
    decimals: int = 0
    low: float = -math.inf
    high: float = math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lab(Measure):
    """A laboratory test."""

    name: str
    short: str
    unit: str


@dataclasses.dataclass(frozen=True)
class Count:
    """A whole number within ``range`` (both ends included) and what is written after it."""

    range: tuple[int, int]
    suffix: str = ""


@dataclasses.dataclass(frozen=True)
class Words:
    """The tables of ``phrases/words.toml``."""

    frequencies: tuple[str, ...]
    history: tuple[str, ...]
    social: tuple[str, ...]
    family_names: tuple[str, ...]
    places: tuple[str, ...]
    anatomy: tuple[str, ...]
    diets: tuple[str, ...]
    lines: tuple[str, ...]
    name_marks: tuple[str, ...]
    oxygen: tuple[str, ...]
    newborn_support: tuple[str, ...]
    labs: tuple[Lab, ...]
    drugs: tuple[Drug, ...]
    signs: Mapping[str, Measure]
    counts: Mapping[str, Count]
    route_words: Mapping[str, str]
    frequency_words: Mapping[str, str]
    phrases: Mapping[str, tuple[str, ...]]


WORDS = load(Words, "words")
DRUGS = {drug.name: drug for drug in WORDS.drugs}
LABS = {lab.short: lab for lab in WORDS.labs}
FAMILY_NAMES = WORDS.family_names
