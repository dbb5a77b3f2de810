"""The findings of a check of a party in words, for a terminal and a page.

Not for: notes (``crossward.cli.data_lines``).
"""

from __future__ import annotations

from collections.abc import Iterator

from data.check.party.findings import FEW, Feature, PartyFindings
from data.tabular.kept import KEPT


def feature_cells(one: Feature, patients: int) -> tuple[str, ...]:
    """Its name, how many patients have it, the share that does not, and the lowest, median and highest value."""
    ends = ("-" if value is None else f"{value:.4g}" for value in (one.low, one.median, one.high))
    return one.name, f"{one.patients:,}", f"{1 - one.patients / patients:.0%}", *ends


def lines(found: PartyFindings) -> Iterator[str]:
    """Patients, window, notes, outcomes and identifiers."""
    yield f"{found.patients:,} patients kept{_of_cohort(found)}"
    if found.window is not None:
        before, after = found.window
        yield f"used is what lies from {before:g} hours before the cohort's time to {after:g} hours after it"
    if (texts := found.texts) is not None:
        yield (
            f"characters of all notes of a patient: {texts.median:,} (median), {texts.p95:,} (95 %), "
            f"{texts.longest:,} at most; `crossward data check notes.toml` measures notes one by one"
        )
    if found.outcome is not None:
        yield f"outcome: {_of_outcome(found)}"
    yield from _of_identifiers(found)


def _of_cohort(found: PartyFindings) -> str:
    if not found.cohort:
        return ""
    others = "".join(f", {number:,} {why}" for why, number in found.cohort.items() if why != KEPT and number)
    return f" of {sum(found.cohort.values()):,} of the cohort{others}"


def _of_outcome(found: PartyFindings) -> str:
    assert found.outcome is not None  # noqa: S101 - for mypy
    positive, negative = found.outcome.positive, found.outcome.negative
    if positive is None or negative is None:
        return f"fewer than {FEW} patients have it, or lack it; their numbers are not shown"
    return f"{positive:,} patients have it ({positive / found.patients:.1%}), {negative:,} do not"


def _of_identifiers(found: PartyFindings) -> Iterator[str]:
    ids = found.identifiers
    prefix = f" ({ids.prefixed:,} had the prefix)" if found.prefix else ""
    yield (
        f"identifiers as parties compare them: {ids.distinct:,} distinct, {ids.changed:,} changed by the rules{prefix}"
        f", {ids.repeated:,} the same as another, {ids.empty:,} empty"
    )
    longest = f" to {ids.longest}" if ids.longest > ids.shortest else ""
    yield f"of these {ids.digits:,} are digits alone; they are {ids.shortest}{longest} characters long"
