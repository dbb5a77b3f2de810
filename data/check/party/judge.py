"""What is to be thought of a party's numbers: the warnings that are worth a look before a run.

Not for: what makes data unusable; that is a ``DataError`` of whoever reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from data.check.judge import FEW_PATIENTS, LEFT_OUT, share
from data.check.party.findings import FEW, PartyFindings
from data.tabular.kept import KEPT
from data.tabular.reasons import EXPECTED

MISSING = 0.5  # of the patients lack a feature
TELLING = 0.95  # AUROC of a single column
_MOST = 12  # names in a warning


def warnings(found: PartyFindings) -> tuple[str, ...]:
    """What to look at, in sentences that name numbers and settings; none where all is well."""
    judged = (_of_reading(found), _of_patients(found), _of_identifiers(found), _of_features(found))
    return tuple(text for part in judged for text in part)


def _of_reading(found: PartyFindings) -> Iterator[str]:
    expected = {why: number for why, number in found.left_out.items() if why in EXPECTED}
    of_use = found.counts.get("read", 0) - sum(expected.values())
    for why, number in found.left_out.items():
        if why not in expected and number > LEFT_OUT * of_use:
            yield f"{share(number, of_use)} rows of the cohort are left out: {why}"


def _of_patients(found: PartyFindings) -> Iterator[str]:
    whole = sum(found.cohort.values())
    if whole and found.cohort.get(KEPT, 0) < (1 - MISSING) * whole:
        others = ", ".join(f"{number:,} {why}" for why, number in found.cohort.items() if why != KEPT and number)
        yield (
            f"of {whole:,} patients of the cohort {others}: do the cohort and this table write identifiers in the same "
            "way, are times by the same calendar, and is [window] wide enough?"
        )
    if found.patients < FEW_PATIENTS:
        yield f"{found.patients} patients: below {FEW_PATIENTS} there is little to learn from and to measure on"
    if found.outcome is not None and found.outcome.positive is None:
        yield f"fewer than {FEW} patients have the outcome, or lack it: too few to learn from and to measure on"


def _of_identifiers(found: PartyFindings) -> Iterator[str]:
    ids = found.identifiers
    if ids.repeated or ids.empty:
        yield found.refused
    if found.prefix and ids.prefixed < found.patients:
        yield f"{share(found.patients - ids.prefixed, found.patients)} identifiers do not begin with identifiers.prefix"
    if 0 < ids.digits < ids.distinct:
        yield (
            f"{share(ids.distinct - ids.digits, ids.distinct)} identifiers hold letters, the others are digits alone: "
            "if letters stand in front of a number, name them in identifiers.prefix"
        )


def _of_features(found: PartyFindings) -> Iterator[str]:
    rare = {one.name: 1 - one.patients / found.patients for one in found.features}
    if missing := [f"{name} ({part:.0%})" for name, part in rare.items() if part > MISSING]:
        yield f"missing in most patients: {_named(missing)}"
    if constant := [one.name for one in found.features if one.low is not None and one.low == one.high]:
        yield f"the same for all patients who have it: {_named(constant)}"
    told = [f"{one.name} ({one.auroc:.2f})" for one in found.features if (one.auroc or 0) > TELLING]
    if told:
        yield (
            f"tells the outcome almost alone (AUROC): {_named(told)}. Is it known at the moment of prediction, or does "
            "it follow from the outcome? Then leave it out ([table] leave, or name the others in use)"
        )


def _named(names: Iterable[str]) -> str:
    found = list(names)
    more = len(found) - _MOST
    return ", ".join([*found[:_MOST], *([f"{more} more"] if more > 0 else [])])
