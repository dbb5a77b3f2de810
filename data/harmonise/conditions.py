"""Codes of conditions -> chapters: ICD-9-CM and ICD-10 (any national edition) by their ranges, others by a table.

A code may name its system (``icd10:I50.9``, ``http://snomed.info/sct|84114007``), the hospital may for all of a column,
and else the code's shape decides where it can; where two systems share a shape it is not guessed.

SNOMED CT has no chapters of its own, and grouping its concepts takes its hierarchy or its maps, which are licensed by
country: none of it is shipped. A hospital that has a licence names its own table (``data.harmonise.vocabulary``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from data.labels import CHAPTERS, icd_chapter

_ALIASES = {
    "icd9": "icd9 icd9cm icd-9 icd-9-cm http://hl7.org/fhir/sid/icd-9-cm urn:oid:2.16.840.1.113883.6.103",
    "icd10": (
        "icd10 icd10cm icd10gm icd-10 icd-10-cm icd-10-gm http://hl7.org/fhir/sid/icd-10 "
        "http://hl7.org/fhir/sid/icd-10-cm http://fhir.de/codesystem/bfarm/icd-10-gm urn:oid:2.16.840.1.113883.6.90 "
        "urn:oid:2.16.840.1.113883.6.3"
    ),
    "snomed": "snomed snomedct sct snomed-ct http://snomed.info/sct urn:oid:2.16.840.1.113883.6.96",
    "own": "own",
}
_SYSTEM_OF = {alias: system for system, aliases in _ALIASES.items() for alias in aliases.split()}
_NAMED = re.compile(r"^(.+?)[:|\s]+([^:|\s]+)$")
_ICD9 = re.compile(r"^(\d{3}(\.?\d{1,2})?|V\d{2}(\.?\d{1,2})?)$")
_ICD10 = re.compile(r"^[A-DF-Z]\d[0-9A-Z](\.?[0-9A-Z]{1,5})?[-+*!]?$")
_ICD10_E = re.compile(r"^E[0-8]\d(\.[0-9A-Z]{1,5})?[-+*!]?$")
_SNOMED = re.compile(r"^\d{6,18}$")


class Chapters:
    """The chapter of a code; ``system`` is of codes that name none, ``tables`` are of systems but ICD."""

    def __init__(self, system: str = "", tables: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.system, self.tables = system, tables or {}

    def __call__(self, value: str) -> str | None:
        """One of ``CHAPTERS``; None where the code is not known."""
        if value in CHAPTERS:
            return value
        system, code = self._parted(value.strip())
        if system in ("icd9", "icd10"):
            return icd_chapter(code, 9 if system == "icd9" else 10) or None
        return self.tables.get(system, {}).get(code)

    def _parted(self, value: str) -> tuple[str, str]:
        if (found := _NAMED.match(value)) and (system := _SYSTEM_OF.get(found[1].lower())):
            return system, found[2]
        return self.system or _by_shape(value.upper()), value


def _by_shape(code: str) -> str:
    """The only system that has codes of this shape; "" where there are several or none.

    V followed by two digits is "other" in both revisions of the ICD.
    """
    if _ICD9.match(code):
        return "icd9"
    if _ICD10.match(code) or _ICD10_E.match(code):
        return "icd10"
    return "snomed" if _SNOMED.match(code) else ""
