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

STEPS: dict[str, str] = {
    "categories": "own note categories to common ones",
}
"""Steps by name, in their order, with what each does."""
TEXT_STEPS = ("deidentification", "sections")
"""Those that change the text of a note."""

SYSTEMS = ("icd9", "icd10", "snomed")
"""Code systems of conditions that ``[labels]`` and ``[vocabulary]`` may name."""
