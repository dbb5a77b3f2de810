"""Section headings of any house's style -> one spelling: ``History of Present Illness:``.

A heading is a line, or the beginning of one, whose words are a name of ``HEADINGS`` and which looks like a heading: a
colon, capitals throughout, a number, bold or HTML or Markdown around it, brackets, or nothing else on the line. Bodies
stay as they are. This is off unless a hospital asks for it (``skip = []``): how a house writes its headings is part of
what a model learns there.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import DataConfig

HEADINGS = {
    "Chief Complaint": "cc, presenting complaint, reason for admission, reason for visit",
    "History of Present Illness": "hpi, present illness, history of presenting illness, history of the present illness",
    "Past Medical History": "pmh, pmhx, medical history, previous medical history",
    "Past Surgical History": "psh, pshx, surgical history",
    "Social History": "sh, shx, soc hx",
    "Family History": "fh, fhx, fam hx",
    "Allergies": "allergy, drug allergies, allergies and adverse reactions",
    "Medications on Admission": "admission medications, admission meds, home medications, home meds, meds on admission",
    "Current Medications": "medications, meds, current meds",
    "Discharge Medications": "medications on discharge, meds on discharge, discharge meds",
    "Review of Systems": "ros",
    "Physical Examination": "physical exam, pe, px, exam, examination, admission physical exam",
    "Vital Signs": "vs, vitals",
    "Laboratory Data": "labs, lab results, pertinent results, laboratory results, laboratory values, labs/studies",
    "Imaging": "imaging studies, radiology, studies",
    "Hospital Course": "brief hospital course, hosp course, course, clinical course, summary of hospital course",
    "Procedures": "major surgical or invasive procedure, operations, procedures performed",
    "Assessment and Plan": "a/p, a&p, a and p, assessment/plan, assessment & plan, impression and plan",
    "Assessment": "impression/assessment",
    "Plan": "",
    "Impression": "",
    "Findings": "",
    "Indication": "clinical indication, reason for exam, reason for examination, reason for this examination",
    "Technique": "",
    "Comparison": "comparisons",
    "Discharge Diagnosis": "discharge diagnoses, final diagnosis, final diagnoses, principal diagnosis",
    "Discharge Condition": "condition on discharge, condition at discharge",
    "Discharge Disposition": "disposition",
    "Discharge Instructions": "instructions on discharge, patient instructions",
    "Followup Instructions": "follow-up instructions, follow up instructions, follow-up, follow up, followup",
}
"""The spelling of a heading -> others of the same meaning, in lower case."""

_SPELLING = {
    alias.strip(): heading for heading, aliases in HEADINGS.items() for alias in (heading.lower(), *aliases.split(","))
}
_SPELLING.pop("", None)
_NAMES = "|".join(re.escape(name) for name in sorted(_SPELLING, key=len, reverse=True))
_LINE = re.compile(
    r"(?im)^[ \t]*"
    r"(?P<number>(?:\d{1,2}|[IVX]{1,4})[.)][ \t]+)?"
    r"(?P<open>\#{1,6}[ \t]+|(?:\*\*|__|<(?:b|strong|u|h[1-6])>|\[|=+[ \t]*|-{2,}[ \t]*)+)?"
    rf"(?P<name>{_NAMES})"
    r"(?P<inner>[ \t]*:)?"
    r"(?P<close>(?:\*\*|__|</(?:b|strong|u|h[1-6])>|\]|[ \t]*=+|[ \t]*-{2,})+)?"
    r"(?P<colon>[ \t]*:)?"
    r"(?=(?P<rest>[ \t]*\S)?)(?P<space>[ \t]*)"
)


def _heading(found: re.Match[str]) -> str:
    parts = found.groupdict()
    name, rest = parts["name"], bool(parts["rest"])
    colon = bool(parts["inner"] or parts["colon"])
    framed = bool(parts["open"]) and (bool(parts["close"]) or parts["open"].startswith("#"))
    after = found.string[found.end("name") : found.end("name") + 1]
    if after and (after.isalnum() or after in "-/&'" or (after == "_" and not parts["close"])):
        return found[0]
    if not (colon or framed or not rest):
        return found[0]
    if not rest and not (colon or framed or parts["number"]) and not (name[0].isupper() and len(name) > 2):
        return found[0]  # a word alone on its line may be the end of a sentence
    heading = f"{_SPELLING[name.lower()]}:"
    return f"{heading} " if rest else heading


def spelt(text: str) -> str:
    """``text`` with its headings in one spelling."""
    return _LINE.sub(_heading, text)


class Step:
    """``text`` with its headings in one spelling."""

    def __init__(self, config: DataConfig) -> None:
        del config

    def __call__(self, piece: pa.Table) -> pa.Table:
        """``piece`` with its headings in one spelling."""
        texts = pc.replace_substring(piece["text"], "\r\n", "\n")
        found = pa.array([spelt(text) for text in texts.to_pylist()], pa.string())
        return piece.set_column(piece.schema.get_field_index("text"), "text", found)

    def report(self) -> str:
        """What is no heading stays as it is."""
        return ""
