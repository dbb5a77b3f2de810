"""Measures what a party has as a run would read it: patients, features, identifiers, outcomes.

Not for: what is to be thought of the numbers (``data.check.party.judge``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from crossward.config.party_settings import STATISTICS, PartyConfig
from crossward.config.party_sources import FEATURES, NOTES, TABLE
from data.check.party.findings import FEW, Feature, Identifiers, OutcomeCounts, PartyFindings, Texts
from data.check.party.judge import warnings
from data.check.reading import Reading
from data.party import PartyData
from data.party.reading import read_party
from data.quoting import SHARED, no_text_of_others, quoted

Floats = npt.NDArray[np.float64]
Outcomes = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Spelling:
    """How an alignment spells identifiers: ``own`` with the party's prefix removed, ``shared`` without that."""

    own: Callable[[str], str]
    shared: Callable[[str], str]


@no_text_of_others("what this party has cannot be checked")
def check_party(config: PartyConfig, spelling: Spelling) -> PartyFindings:
    """Read what the party of ``config`` has, and measure it.

    Raises
    ------
    DataError
        it cannot be used; it says what to change.
    """
    found, reading = read_party(config), Reading()
    reading.add(found.folder)
    data, window = found.data, config.window
    findings = PartyFindings(
        config.name,
        FEATURES[config.features].about,
        config.prefix,
        len(data.patients),
        found.cohort,
        found.counts,
        tuple(_features(config, data)),
        _identifiers(data.patients, spelling),
        None if data.outcome is None else _counted(data.outcome),
        (window.before, window.after) if config.has_moment else None,
        None if data.notes is None else _texts(data.notes),
        (),
        reading.files,
        tuple(reading.unread),
        ", ".join(reading.lists),
    )
    return dataclasses.replace(findings, warnings=warnings(findings))


def _features(config: PartyConfig, data: PartyData) -> Iterator[Feature]:
    """A feature a column, or an item with all that is computed of it."""
    if data.values is None:
        return
    stride = len(STATISTICS) if config.features not in (TABLE, NOTES) else 1
    for at in range(0, len(data.names), stride):
        block, name = data.values[:, at : at + stride], data.names[at]
        if stride == 1:
            low = middle = high = block[:, 0]
        else:
            name = name.removesuffix(f" {STATISTICS[0]}")
            low, middle, high = (block[:, STATISTICS.index(what)] for what in ("min", "last", "max"))
        having = int((~np.isnan(low)).sum())
        ends: tuple[float | None, float | None, float | None] = (None, None, None)
        if having >= SHARED:
            ends = float(np.nanmin(low)), float(np.nanmedian(middle)), float(np.nanmax(high))
        auroc = None if data.outcome is None else _auroc(block, data.outcome)
        yield Feature(_shown(config, name, having), having, *ends, auroc)


def _shown(config: PartyConfig, name: str, patients: int) -> str:
    """The name of a feature. Names of columns and of a release's items are no text about anybody."""
    public = " = " not in name if config.features == TABLE else config.source != TABLE
    return quoted(name, patients, (*config.table.use, *config.items.use, *((name,) if public else ())))


def _auroc(columns: Floats, outcome: Outcomes) -> float | None:
    """The best of the ``columns``, float64 [patients, columns], and of whether there is a value."""
    areas = []
    for column in columns.T:
        there = ~np.isnan(column)
        areas += [_area(column[there], outcome[there]), _area(there.astype(np.float64), outcome)]
    return max((area for area in areas if area is not None), default=None)


def _area(scores: Floats, outcome: Outcomes) -> float | None:
    positive = int(outcome.sum())
    if min(positive, len(outcome) - positive) < FEW:
        return None
    area = float(roc_auc_score(outcome, scores))
    return max(area, 1 - area)


def _identifiers(patients: tuple[str, ...], spelling: Spelling) -> Identifiers:
    spelt = [spelling.own(name) for name in patients]
    left = [name for name in spelt if name]
    distinct = set(left)
    lengths = [len(name) for name in distinct] or [0]
    return Identifiers(
        distinct=len(distinct),
        changed=sum(own != name for own, name in zip(spelt, patients, strict=True)),
        prefixed=sum(own != spelling.shared(name) for own, name in zip(spelt, patients, strict=True)),
        empty=len(spelt) - len(left),
        repeated=len(left) - len(distinct),
        digits=sum(name.isdecimal() for name in distinct),
        shortest=min(lengths),
        longest=max(lengths),
    )


def _counted(outcome: Outcomes) -> OutcomeCounts:
    positive = int(outcome.sum())
    negative = len(outcome) - positive
    return OutcomeCounts(positive, negative) if min(positive, negative) >= FEW else OutcomeCounts(None, None)


def _texts(notes: tuple[str, ...]) -> Texts:
    lengths = np.array([len(text) for text in notes])
    median, p95 = np.percentile(lengths, (50, 95))
    return Texts(round(median), round(p95), int(lengths.max()))
