"""The figures of one hospital: how good each adapter is on its own held-out notes and on the others'.

They are read from ``evaluation.json``, or made of the measures that hospitals reported.

Not for: what they mean in words (``crossward.report.joining.sentence``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crossward.protocol.measures import Difference, Measure

BASE, GLOBAL, ALONE, PERSONAL, CENTRALISED = "base", "global", "alone", "personal", "centralised"
ADAPTERS = {
    BASE: "untuned base",
    GLOBAL: "global",
    ALONE: "alone",
    PERSONAL: "personal",
    CENTRALISED: "trained centrally",
}
PAIRS = (
    (PERSONAL, ALONE),
    (PERSONAL, GLOBAL),
    (GLOBAL, ALONE),
)  # whose differences are taken, the first minus the second
REPORTED = {"base": BASE, "global": GLOBAL, "own": ALONE, "personal": PERSONAL}  # a message's name of each
EVALUATION = "evaluation.json"
BETTER, WORSE, ALIKE, UNKNOWN = "better", "worse", "no difference", "unknown"


@dataclass(frozen=True)
class Level:
    """A perplexity and its 95 % interval by patient, None with fewer than two patients."""

    perplexity: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, measure: Measure) -> Level:
        """The level of a measure."""
        return cls(measure.perplexity, *(measure.perplexity_interval() if measure.has_interval else (None, None)))


@dataclass(frozen=True)
class Gap:
    """Nats a token that one adapter loses more than another, with the 95 % interval paired by patient."""

    nats: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, found: Difference) -> Gap:
        """The gap of a paired difference."""
        half = found.half_width()
        return cls(found.loss) if half is None else cls(found.loss, found.loss - half, found.loss + half)

    @property
    def verdict(self) -> str:
        """Whether the first adapter is BETTER, WORSE or ALIKE; UNKNOWN without an interval."""
        if self.low is None or self.high is None:
            return UNKNOWN
        return BETTER if self.high < 0 else WORSE if self.low > 0 else ALIKE


@dataclass(frozen=True)
class Place:
    """Adapters on the same notes, of ``patients`` held-out patients.

    ``differences`` are by "<first>-<second>", for PAIRS.
    """

    patients: int = 0
    adapters: Mapping[str, Level] = field(default_factory=dict)
    differences: Mapping[str, Gap] = field(default_factory=dict)

    @classmethod
    def of(cls, measures: Mapping[str, Measure], differences: Mapping[str, Difference] | None = None) -> Place:
        """The place where ``measures`` were taken, with ``differences`` by their keys."""
        levels = {model: Level.of(found) for model, found in measures.items() if found.tokens}
        gaps = {pair: Gap.of(found) for pair, found in (differences or {}).items() if found.tokens}
        return cls(int(max((m.patients for m in measures.values()), default=0)), levels, gaps)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Place:
        """The place that ``dataclasses.asdict`` made plain."""
        levels = {model: Level(**found) for model, found in value["adapters"].items()}
        return cls(int(value["patients"]), levels, {pair: Gap(**found) for pair, found in value["differences"].items()})


@dataclass(frozen=True)
class Joining:
    """One hospital: adapters on its own notes, and on the other hospitals' where those are on this machine."""

    site: str
    home: Place
    elsewhere: Place | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values by field name, without the site."""
        found = asdict(self)
        del found["site"]
        return found

    @classmethod
    def from_json(cls, site: str, value: Mapping[str, Any]) -> Joining:
        """The joining that :meth:`to_json` made plain."""
        elsewhere = value["elsewhere"]
        return cls(site, Place.from_json(value["home"]), Place.from_json(elsewhere) if elsewhere is not None else None)


def reported(measures: Mapping[tuple[str, str], Measure]) -> list[Joining]:
    """Each hospital at home, as it reported ``measures`` by (model, site): sums, which cannot be paired by patient."""
    sites = sorted({site for _, site in measures})
    return [
        Joining(site, Place.of({name: measures[m, site] for m, name in REPORTED.items() if (m, site) in measures}))
        for site in sites
    ]


def evaluated(folder: Path, version: int) -> list[Joining]:
    """Each hospital as an evaluation of ``version`` of the run in ``folder`` found it; empty without one."""
    try:
        found = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        if found["version"] != version:
            return []
        return [Joining.from_json(site, value) for site, value in found["joining"].items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or another version's
        return []


def present(all_joinings: Iterable[Joining]) -> list[str]:
    """The adapters that any hospital has, in the order in which they are shown."""
    places = [place for one in all_joinings for place in (one.home, one.elsewhere) if place is not None]
    return [model for model in ADAPTERS if any(model in place.adapters for place in places)]
