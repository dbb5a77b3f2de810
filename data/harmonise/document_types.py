"""Note categories that are public: codes of LOINC's document ontology, and the words of releases and of plain English.

This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief Institute, Inc. and the
Logical Observation Identifiers Names and Codes (LOINC) Committee and is available at no cost under the license at
http://loinc.org/license. LOINC is a registered United States trademark of Regenstrief Institute, Inc.

Only codes are here, none of LOINC's names; which common category a code belongs to is this project's judgement.
"""

from __future__ import annotations

_LOINC = {
    "discharge summary": "18842-5 11490-0 28655-9 34105-7 34106-5 34745-0 34133-9 18761-7 59259-2 79430-5",
    "history": "34117-2 11492-6 47039-3 51849-8 34094-3 18736-9 67862-3",
    "progress": "11506-3 28569-2 28627-8 11510-5 34904-3 34129-7",
    "nursing": "34746-8 28623-7",
    "consult": "11488-4 34099-2 34104-0 34760-9 34785-6 34788-0 34791-4 34795-5 34805-2 51845-6 57133-1",
    "emergency": "34111-5 34878-9 28568-4 51846-4 54094-8 57053-1 57054-9 59258-4",
    "procedure": "28570-0 11504-8 34137-0 19805-1 18745-0 57057-2",
    "radiology": "18748-4 18726-0",
    "cardiology": "11522-0 11524-6 18752-6 18754-2 42148-7",
    "pathology": "11502-2 11526-1 18717-9 18725-2",
    "therapy": "34838-3 27445-6",
    "outpatient": "34108-1 34131-3 34748-4",
    "other": "34109-9 51852-2 68608-9 34806-0 34815-1 34830-0 68636-0 11523-8 18749-2 28633-6 68556-0",
}
LOINC: dict[str, str] = {code: common for common, codes in _LOINC.items() for code in codes.split()}
"""LOINC document code -> common category."""

_WORDS = {
    "discharge summary": (
        "discharge summary, discharge, discharge note, discharge letter, summary of care, ds, transfer summary, "
        "episode summary, discharge report, hospital course"
    ),
    "history": "history and physical, h&p, history & physical, admission, admission history and physical, hp",
    "progress": "physician, progress, progress note, daily progress note, soap, attending, resident, inpatient note",
    "nursing": "nursing, nursing/other, nurse, nursing note, nursing assessment, rn",
    "consult": "consult, consultation, consult note, consultation note, referral",
    "emergency": "emergency, emergency department, ed, ed note, ed provider note, triage, emergency room",
    "procedure": (
        "procedure, procedure note, operative, operative note, operative report, operation, surgery, anesthesia, "
        "endoscopy, brief op note"
    ),
    "radiology": "radiology, radiology report, imaging, diagnostic imaging, rr, ct, mri, x-ray, ultrasound",
    "cardiology": "ecg, ekg, echo, echocardiogram, cardiology, electrocardiogram",
    "pathology": "pathology, pathology report, laboratory, lab, laboratory report, lab report, microbiology",
    "therapy": (
        "respiratory, rehab services, nutrition, pharmacy, physical therapy, occupational therapy, speech therapy, "
        "respiratory therapy, dietary"
    ),
    "social": "social work, case management, social worker, chaplain, pastoral care",
    "outpatient": "outpatient, clinic, clinic note, office visit, telephone, telephone encounter, outpatient note",
    "other": "other, general, miscellaneous, misc, letter, note",
}
WORDS: dict[str, str] = {word.strip(): common for common, words in _WORDS.items() for word in words.split(",")}
"""Category in lower case -> common one: NOTEEVENTS.CATEGORY of MIMIC-III, note_type of MIMIC-IV-Note, plain words."""
