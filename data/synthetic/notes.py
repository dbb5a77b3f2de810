"""Writes a note: a house's sections and phrases, filled from a patient's stay.

``write_note`` is the one entrance. Everything is drawn anew for each note, without repeating an item within a
note, so that hardly two lines of a hospital are alike. Not for tables: see tables_iii.py and tables_iv.py.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from data.synthetic.grammar import expand
from data.synthetic.houses import House, Section
from data.synthetic.patients import Stay
from data.synthetic.words import DRUGS, LABS, WORDS, Count, Lab, Measure

SHARED_RATE = 0.2  # of phrases drawn from what all houses have in common
_NAMED_LABS = {"bili": "Tbili", "wbc": "WBC", "ph": "pH", "pco2": "pCO2", "glucose": "Glu", "cr": "Cr", "level": "PHT"}


def deid(kind: str, rng: random.Random) -> str:
    """A de-identification mark in MIMIC-III's manner."""
    if kind == "date":
        return f"[**{rng.randint(2101, 2199)}-{rng.randint(1, 12)}-{rng.randint(1, 28)}**]"
    return f"[**{rng.choice(WORDS.name_marks if kind == 'name' else WORDS.places)} {rng.randint(1, 9999)}**]"


class _Filler:
    """Answers a template's slots for one note; items are not repeated within the note."""

    def __init__(self, house: House, stay: Stay, rng: random.Random) -> None:
        self.house, self.stay, self.rng = house, stay, rng
        self.state = stay.severity + rng.gauss(0, 0.4)
        self.used: set[str] = set()
        self.grave = self.mentioned = 0  # findings and events
        self.drug = DRUGS[rng.choice(house.ward.drugs)]
        self.result: tuple[Lab, str] = (LABS["Na"], "138")
        self.slots = {**self._person(), **self._signs(), **self._items(), **self._numbers()}

    def __call__(self, slot: str) -> str:
        if slot in self.slots:
            return self.slots[slot]()
        if slot.lower() in self.slots:
            text = expand(self.slots[slot.lower()](), self.rng, self)
            return text.upper() if slot.isupper() else text[:1].upper() + text[1:]
        raise KeyError(f"a template of {self.house.name} asks for the unknown slot {{{slot}}}")

    def _pick(self, options: Sequence[str]) -> str:
        for _ in range(4):
            item = self.rng.choice(options)
            if item not in self.used:
                break
        self.used.add(item)
        return item

    def _ill(self) -> bool:
        ill = self.rng.random() < 1 / (1 + math.exp(1.1 - 1.6 * self.state))
        self.grave, self.mentioned = self.grave + ill, self.mentioned + 1
        return ill

    def _number(self, measure: Measure) -> str:
        value = self.rng.gauss(measure.mean + measure.slope * self.state, measure.sd)
        return f"{min(measure.high, max(measure.low, value)):.{measure.decimals}f}"

    def _count(self, count: Count) -> str:
        return f"{self.rng.randint(*count.range)}{count.suffix}"

    def _lab(self) -> Lab:
        lab = LABS[self._pick(self.house.ward.labs)]
        self.result = (lab, self._number(lab))
        return lab

    def _whole_lab(self) -> str:
        self._lab()
        return self.house.lab

    def _new_drug(self) -> str:
        self.drug = DRUGS[self._pick(self.house.ward.drugs)]
        return self.drug.name

    def _person(self) -> dict[str, Callable[[], str]]:
        female = self.stay.sex == "F"
        return {
            "age": lambda: f"{self.stay.age:.0f}",
            "sex": lambda: "female" if female else "male",
            "sexword": lambda: "woman" if female else "man",
            "sexletter": lambda: self.stay.sex,
            "he": lambda: "she" if female else "he",
            "his": lambda: "her" if female else "his",
        }

    def _signs(self) -> dict[str, Callable[[], str]]:
        gauss, state = self.rng.gauss, self.state

        def pressure(mean: float, pulse: float, spread: float) -> str:
            systolic = max(38.0, gauss(mean - 7 * state, spread))
            return f"{systolic:.0f}/{max(18.0, systolic - gauss(pulse, 6)):.0f}"

        oxygen = min(len(WORDS.oxygen) - 1, max(0, round(gauss(2.4 + 1.6 * state, 1.8))))
        return {
            **{slot: functools.partial(self._number, sign) for slot, sign in WORDS.signs.items()},
            "bp": lambda: pressure(122, 52, 15),
            "oxygen": lambda: WORDS.oxygen[oxygen],
            "net": lambda: f"{self.rng.choice('+-')}{self.rng.randint(1, 28)}00",
            "babybp": lambda: pressure(62, 24, 7),
            "support": lambda: WORDS.newborn_support[min(4, max(0, round(gauss(1.5 + state, 1))))],
        }

    def _items(self) -> dict[str, Callable[[], str]]:
        ward, pick = self.house.ward, self._pick
        return {
            "dx": lambda: (
                self.stay.diagnoses[0].text if self.rng.random() < 0.8 else pick([d.text for d in self.stay.diagnoses])
            ),
            "complaint": lambda: pick(ward.complaints),
            "othercomplaint": lambda: pick(ward.complaints),
            "finding": lambda: pick(ward.grave if self._ill() else ward.fair),
            "event": lambda: pick(ward.worse if self._ill() else ward.better),
            "procedure": lambda: pick(ward.procedures),
            "imaging": lambda: pick(ward.imaging),
            "plan": lambda: pick(ward.plans),
            "history": lambda: pick(WORDS.history),
            "social": lambda: pick(WORDS.social),
            "anatomy": lambda: pick(WORDS.anatomy),
            "diet": lambda: pick(WORDS.diets),
            "line": lambda: pick(WORDS.lines),
            "drugname": self._new_drug,
            "drug": lambda: self.house.drug,
            "dose": lambda: self.rng.choice(self.drug.doses),
            "unit": lambda: self.drug.unit,
            "route": lambda: self.rng.choice(self.drug.routes),
            "routeword": lambda: WORDS.route_words.get(self.drug.routes[0], "as ordered"),
            "freq": lambda: self.rng.choice(WORDS.frequencies),
            "freqword": lambda: WORDS.frequency_words.get(
                self.rng.choice(WORDS.frequencies), self.rng.choice(("daily", "once daily", "at bedtime"))
            ),
            "lab": self._whole_lab,
            "name": lambda: deid("name", self.rng),
            "date": lambda: deid("date", self.rng),
            "place": lambda: deid("place", self.rng),
        }

    def _numbers(self) -> dict[str, Callable[[], str]]:
        randint = self.rng.randint
        return {
            **{slot: functools.partial(self._number, LABS[short]) for slot, short in _NAMED_LABS.items()},
            **{slot: functools.partial(self._count, count) for slot, count in WORDS.counts.items()},
            "short": lambda: self.result[0].short,
            "labfull": lambda: self.result[0].name,
            "value": lambda: self.result[1],
            "labname": lambda: self._lab().name,
            "labshort": lambda: self._lab().short,
            "value1": lambda: self._number(self.result[0]),
            "value2": lambda: self._number(self.result[0]),
            "days": lambda: str(min(9, max(1, round(self.rng.expovariate(0.3))))),
            "time": lambda: f"{randint(0, 23):02d}:{randint(0, 59):02d}",
            "clock": lambda: f"{randint(0, 23):02d}{randint(0, 59):02d}",
        }


def _body(section: Section, house: House, filler: _Filler, rng: random.Random) -> str:
    own, common = house.phrases.get(section.kind, ()), WORDS.phrases.get(section.kind, ())
    pieces: list[str] = []
    recent: list[str] = []
    for _ in range(rng.randint(*section.count)):
        pool = common if common and (not own or rng.random() < SHARED_RATE) else own
        template = rng.choice([t for t in pool if t not in recent] or pool)
        recent = [*recent[-1:], template]
        pieces.append(expand(template, rng, filler))
    if section.layout == "prose":
        return " ".join(piece[:1].upper() + piece[1:] for piece in pieces)
    if section.layout in ("commas", "lines"):
        return (", " if section.layout == "commas" else "\n").join(pieces)
    bullet = "#. " if section.layout == "numbers" else house.bullet
    return "\n".join(bullet.replace("#", str(number)) + piece for number, piece in enumerate(pieces, 1))


def _misspelt(text: str, rng: random.Random) -> str:
    """Now and then two letters change places, as they do in a chart."""
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        at = rng.randrange(1, max(2, len(text) - 2))
        if text[at : at + 2].isalpha():
            text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text


class Written(NamedTuple):
    """A note's text, and how many findings and events it mentions, ``grave`` of them grave ones."""

    text: str
    grave: int
    mentioned: int


def write_note(house: House, stay: Stay, category: str, rng: random.Random) -> Written:
    """One note of ``category`` about ``stay``, as ``house`` writes."""
    filler = _Filler(house, stay, rng)
    written = []
    for section in house.notes[category]:
        if rng.random() > section.probability:
            continue
        heading = expand(section.heading, rng, filler)
        body = _body(section, house, filler, rng)
        after = house.after_heading
        if section.layout in ("bullets", "numbers", "lines") and not after.endswith("\n"):
            after = after.rstrip() + "\n"
        written.append(heading + (after + body if body else ""))
    text = _misspelt(house.between.join(written), rng)
    text = text.lower() if house.case == "lower" else text.upper() if house.case == "upper" else text
    return Written(text, filler.grave, filler.mentioned)
