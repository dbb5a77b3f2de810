"""Codes that several forms write: LOINC document types, and ICD codes with their point."""

from __future__ import annotations

from data.synthetic.houses import Diagnosis

LOINC = {
    "Physician": ("11506-3", "Progress note"),
    "Nursing": ("34746-8", "Nurse Note"),
    "Radiology": ("18748-4", "Diagnostic imaging study"),
    "Discharge summary": ("18842-5", "Discharge summary"),
}
"""Category -> code of the document type and its display name (LOINC, Regenstrief Institute, loinc.org/license)."""


def icd9(diagnosis: Diagnosis) -> str:
    """The ICD-9-CM code as it is printed, 410.71."""
    return _pointed(diagnosis.icd9, 4 if diagnosis.icd9.startswith("E") else 3)


def icd10(diagnosis: Diagnosis) -> str:
    """The ICD-10-CM code as it is printed, I21.4."""
    return _pointed(diagnosis.icd10, 3)


def _pointed(code: str, whole: int) -> str:
    return f"{code[:whole]}.{code[whole:]}" if len(code) > whole else code
