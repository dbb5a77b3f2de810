"""From what every adapter loses with every held-out patient to what joining brought each hospital.

Not for: measuring (``crossward.evaluation.report``) or showing it (``crossward.report.joining``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import add

from client_app.training.measuring import Table, measured
from crossward.protocol.measures import Difference, Measure, difference
from crossward.report.joining.figures import ALONE, BASE, CENTRALISED, GLOBAL, PAIRS, PERSONAL, Joining, Place

LOCAL, OWN = "local", "personal"  # what evaluation.json calls a hospital's two adapters: "local:<site>" ...
Tables = Mapping[tuple[str, str], Table]  # (model, site) -> [patients, 3]


def names_of(site: str) -> dict[str, str]:
    """A hospital's adapters by what they are -> the model's name in the tables."""
    return {
        BASE: "base",
        GLOBAL: "global",
        ALONE: f"{LOCAL}:{site}",
        PERSONAL: f"{OWN}:{site}",
        CENTRALISED: CENTRALISED,
    }


def _difference(tables: Tables, one: str, other: str, site: str) -> Difference:
    return difference(*(tuple(map(tuple, tables[model, site].tolist())) for model in (one, other)))


def place(tables: Tables, names: Mapping[str, str], sites: Iterable[str]) -> Place:
    """The adapters ``names`` on the held-out notes of all ``sites``: hospitals are strata, whose sums add."""
    where = list(sites)
    have = {what: model for what, model in names.items() if all((model, site) in tables for site in where)}
    measures = {
        what: reduce(add, (measured(tables[model, site]) for site in where), Measure()) for what, model in have.items()
    }
    gaps = {
        f"{one}-{other}": reduce(add, (_difference(tables, have[one], have[other], site) for site in where))
        for one, other in PAIRS
        if one in have and other in have
    }
    return Place.of(measures, gaps)


def joinings(tables: Tables, sites: list[str]) -> list[Joining]:
    """Each of ``sites`` at home, and elsewhere where there are others."""
    out = []
    for site in sites:
        others = [other for other in sites if other != site]
        names = names_of(site)
        out.append(Joining(site, place(tables, names, [site]), place(tables, names, others) if others else None))
    return out


def total(tables: Tables, sites: list[str]) -> Place:
    """All hospitals together, each with its own adapters at home; an adapter that one of them lacks is left out."""
    at_home = {
        (what, site): tables[model, site]
        for site in sites
        for what, model in names_of(site).items()
        if (model, site) in tables
    }
    return place(at_home, {what: what for what in names_of("")}, sites)
