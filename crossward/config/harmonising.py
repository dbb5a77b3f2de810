"""The common words that hospitals' notes are brought to, and the steps that do it: ``CATEGORIES``, ``STEPS``.

Here and not with the steps (``data.harmonise``), because a ``notes.toml`` is checked without them.
"""

from __future__ import annotations

DISCHARGE, OTHER = "discharge summary", "other"
CATEGORIES: dict[str, str] = {
    DISCHARGE: "of a stay as a whole, written at its end; letters to the next doctor",
    "history": "admission notes: history and physical examination",
    "progress": "notes of physicians in the course of a stay",
    "nursing": "notes and assessments of nurses",
    "consult": "opinions of another specialty",
    "emergency": "notes of the emergency department, triage included",
    "procedure": "operations, endoscopies and other procedures",
    "radiology": "reports of imaging",
    "cardiology": "reports of electrocardiograms and echocardiograms",
    "pathology": "reports of pathology and the laboratory",
    "therapy": "respiratory, physical and other therapies, nutrition, pharmacy",
    "social": "social work, case management, pastoral care",
    "outpatient": "visits and telephone calls without a stay",
    OTHER: "what is none of these",
}
"""Common categories of notes, with what belongs to each."""

SECTIONS = "sections"
STEPS: dict[str, str] = {
    "times": "times in ISO 8601",
    "categories": "own note categories to common ones",
    "labels": "codes to chapters, outcomes to survived and died",
    "deidentification": "one mark for whatever was removed",
    SECTIONS: "one spelling of section headings",
}
"""Steps by name, in their order, with what each does."""
TEXT_STEPS = ("deidentification", SECTIONS)
"""Those that change the text of a note."""

DISPOSITION = "disposition"
SYSTEMS = ("icd9", "icd10", "snomed", "own", DISPOSITION)
"""What ``[labels]`` may name: code systems of conditions (``own`` is the hospital's), and of where patients go."""
VOCABULARIES = ("snomed", "own")
"""Code systems whose table of chapters a hospital names itself, in ``[vocabulary]``."""
