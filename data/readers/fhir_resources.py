"""What is in a FHIR resource: references, codings, values at a path, periods.

Not for: texts (``data.readers.fhir_texts``).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

Resource = dict[str, Any]

SYSTEMS = {
    "http://loinc.org": "loinc",
    "http://hl7.org/fhir/sid/icd-10-cm": "icd10",
    "http://hl7.org/fhir/sid/icd-10": "icd10",
    "http://hl7.org/fhir/sid/icd-9-cm": "icd9",
    "http://snomed.info/sct": "snomed",
}
"""Code system -> prefix of its codes, conditions' in the order in which they are preferred."""
CONDITIONS = ("icd10", "icd9", "snomed")


def every(value: Any) -> list[Resource]:
    """The objects of an element that may repeat: none, one, or a list of them."""
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]


def at(resource: Any, path: str) -> Any:
    """The value at ``a.b``, the first of each element that repeats; None where there is none."""
    for name in path.split("."):
        if isinstance(resource, list):
            resource = next(iter(resource), None)
        if not isinstance(resource, dict):
            return None
        resource = resource.get(name)
    return next(iter(resource), None) if isinstance(resource, list) else resource


def text_at(resource: Any, *paths: str) -> str:
    """The first text at one of ``paths``; "" if none has one."""
    values = (at(resource, path) for path in paths)
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), "")


def name_in(reference: Any) -> str:
    """The id that a reference names, whatever server it is on; that of its identifier where it has no address."""
    address = text_at(reference, "reference")
    if not address:
        return text_at(reference, "identifier.value")
    address = address.partition("/_history/")[0].rstrip("/")
    return address.removeprefix("urn:uuid:").removeprefix("#").rpartition("/")[2]


def codes(concept: Any, systems: tuple[str, ...]) -> list[str]:
    """The codes of ``concept`` in ``systems``, in their order, as in ``loinc:18842-5``."""
    found = [
        f"{SYSTEMS[system]}:{code}"
        for one in every(concept)
        for coding in every(one.get("coding"))
        if (system := text_at(coding, "system").rstrip("/")) in SYSTEMS and (code := text_at(coding, "code"))
    ]
    known = [code for code in found if code.partition(":")[0] in systems]
    return sorted(known, key=lambda code: systems.index(code.partition(":")[0]))


def words(concept: Any) -> str:
    """What a concept is called, or its code."""
    return text_at(concept, "text", "coding.display", "coding.code")


def moment(text: str) -> dt.datetime | None:
    """A FHIR dateTime or instant in UTC; its beginning where it is a day, a month or a year; None if it is neither."""
    if len(text) in (4, 7):
        text += "-01" if len(text) == 7 else "-01-01"
    try:
        found = dt.datetime.fromisoformat(text)
        return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def plain(when: dt.datetime | None) -> str:
    """A moment without its time zone; "" for none."""
    return when.replace(tzinfo=None, microsecond=0).isoformat() if when else ""


def within(text: str, period: Any) -> bool:
    """Whether a dateTime is in a period, by days where one of the times is a day."""
    times = [text, text_at(period, "start"), text_at(period, "end")]
    moments = [moment(time) for time in times]
    when, start, end = moments
    if when is None or start is None:
        return False
    if any(time and len(time) <= 10 for time in times):
        return start.date() <= when.date() and (end is None or when.date() <= end.date())
    return start <= when and (end is None or when <= end)
