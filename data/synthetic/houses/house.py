"""What makes a house's notes its own: headings, order, phrases, formats. See the modules beside this one.

A note is a list of sections. A section is written in one line: ``heading ; kind ; layout ; low-high ; probability``.
Kind names the templates to draw from (``phrases``), layout how they are joined (``prose``, ``lines``, ``bullets``,
``numbers``, ``commas``). Not for what is ill with the patient: see ``data.synthetic.specialties`` and
``data.synthetic.patients``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from data.synthetic.specialties import Specialty
from data.synthetic.words import lines


@dataclasses.dataclass(frozen=True)
class Section:
    """One section of a note."""

    heading: str
    kind: str
    layout: str
    low: int
    high: int
    probability: float


@dataclasses.dataclass(frozen=True)
class House:
    """One hospital: what it is called, what it sees, how it writes.

    ``unit`` is its ICUSTAYS.FIRST_CAREUNIT, ``service`` its SERVICES.CURR_SERVICE; ``notes`` maps a note category to
    its sections; ``case`` is "" (as written), "lower" or "upper" for the whole note.
    """

    name: str
    unit: str
    service: str
    ward: Specialty
    age: tuple[float, float]
    deaths: float
    notes: Mapping[str, tuple[Section, ...]]
    phrases: Mapping[str, tuple[str, ...]]
    drug: str
    lab: str
    bullet: str
    after_heading: str
    between: str
    case: str = ""


def sections(text: str) -> tuple[Section, ...]:
    """Sections from their one-line form."""
    found = []
    for line in lines(text):
        heading, kind, layout, count, probability = (part.strip() for part in line.split(";"))
        low, high = count.split("-")
        found.append(Section(heading, kind, layout, int(low), int(high), float(probability)))
    return tuple(found)


def phrases(**kinds: str) -> dict[str, tuple[str, ...]]:
    """Templates by kind, one a line."""
    return {kind: lines(text) for kind, text in kinds.items()}
