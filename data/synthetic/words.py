"""Vocabulary and phrases that every hospital shares: ``WORDS``, from ``phrases/words.toml``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from data.synthetic.phrase_files import load


@dataclasses.dataclass(frozen=True)
class Drug:
    """A drug with the doses and routes it is written with."""

    name: str
    doses: tuple[str, ...]
    unit: str
    routes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Lab:
    """A laboratory test: its value is normal(mean + slope * severity, sd), never below ``low``."""

    name: str
    short: str
    unit: str
    mean: float
    sd: float
    slope: float
    decimals: int
    low: float


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
    route_words: Mapping[str, str]
    frequency_words: Mapping[str, str]
    phrases: Mapping[str, tuple[str, ...]]


WORDS = load(Words, "words")
DRUGS = {drug.name: drug for drug in WORDS.drugs}
LABS = {lab.short: lab for lab in WORDS.labs}
FAMILY_NAMES = WORDS.family_names
