"""What each kind of ward sees: diagnoses with ICD codes, complaints, findings, procedures, drugs, pictures.

``fair`` and ``grave`` findings and events are drawn by the patient's severity, with noise, which is what ties text
to outcome. Not for how a house writes: see styles.
"""

from __future__ import annotations

import dataclasses

from data.synthetic.words import items


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """A diagnosis as the chart names it and as both revisions of the ICD code it."""

    icd9: str
    icd10: str
    text: str


@dataclasses.dataclass(frozen=True)
class Specialty:
    """The content of one ward's notes."""

    diagnoses: tuple[Diagnosis, ...]
    complaints: tuple[str, ...]
    fair: tuple[str, ...]
    grave: tuple[str, ...]
    better: tuple[str, ...]
    worse: tuple[str, ...]
    procedures: tuple[str, ...]
    imaging: tuple[str, ...]
    plans: tuple[str, ...]
    drugs: tuple[str, ...]
    labs: tuple[str, ...]


def _diagnoses(text: str) -> tuple[Diagnosis, ...]:
    return tuple(Diagnosis(*(part.strip() for part in item.split(":"))) for item in items(text))


def specialty(**lists: str) -> Specialty:
    """A specialty from ``|``-separated lists; diagnoses are ``icd9:icd10:text``."""
    return Specialty(
        diagnoses=_diagnoses(lists.pop("diagnoses")),
        **{name: items(text) for name, text in lists.items()},
    )
