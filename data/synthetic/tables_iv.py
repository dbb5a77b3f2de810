"""Writes made-up records as MIMIC-IV's and MIMIC-IV-Note's CSV tables: ``write_mimic_iv``.

MIMIC-IV-Note has discharge summaries and radiology reports only, so other notes of a record are left out, and a
record without either gets none.
"""

from __future__ import annotations

import functools
import re

from data.synthetic.csv_tables import Tables, write_tables
from data.synthetic.tables import Record

HEADERS = {
    "note/discharge": "note_id subject_id hadm_id note_type note_seq charttime storetime text",
    "note/radiology": "note_id subject_id hadm_id note_type note_seq charttime storetime text",
    "hosp/patients": "subject_id gender anchor_age anchor_year anchor_year_group dod",
    "hosp/admissions": "subject_id hadm_id admittime dischtime deathtime admission_type admit_provider_id "
    "admission_location discharge_location insurance language marital_status race edregtime edouttime "
    "hospital_expire_flag",
    "hosp/diagnoses_icd": "subject_id hadm_id seq_num icd_code icd_version",
    "hosp/services": "subject_id hadm_id transfertime prev_service curr_service",
    "icu/icustays": "subject_id hadm_id stay_id first_careunit last_careunit intime outtime los",
}
_MARK = re.compile(r"\[\*\*.*?\*\*\]")
_YEARS = ("2008 - 2010", "2011 - 2013", "2014 - 2016", "2017 - 2019", "2020 - 2022")


def add_patient(tables: Tables, stays: list[Record]) -> None:
    """Write what is of a patient."""
    stay = stays[0].stay
    years = _YEARS[stay.subject // 8 % len(_YEARS)]
    tables.add("hosp/patients", stay.subject, stay.sex, f"{stay.age:.0f}", stay.admitted.year, years, "")


def add_stay(tables: Tables, record: Record) -> int:
    """Write a stay; returns the number of its notes."""
    house, stay = record.house, record.stay
    tables.add(
        "hosp/admissions", stay.subject, stay.hadm, stay.admitted, stay.discharged, stay.death, "EW EMER.", "P1234",
        "EMERGENCY ROOM", "DIED" if stay.died else "HOME", "Other", "English", "SINGLE", "UNKNOWN", "", "",
        int(stay.died),
    )  # fmt: skip
    version = 10 if stay.hadm // 10 % 2 else 9
    for sequence, diagnosis in enumerate(stay.diagnoses, 1):
        code = diagnosis.icd10 if version == 10 else diagnosis.icd9
        tables.add("hosp/diagnoses_icd", stay.subject, stay.hadm, sequence, code, version)
    tables.add("hosp/services", stay.subject, stay.hadm, stay.admitted, "", house.service)
    tables.add(
        "icu/icustays", stay.subject, stay.hadm, 30_000_000 + stay.hadm, house.unit, house.unit, stay.admitted,
        stay.discharged, stay.days,
    )  # fmt: skip
    written = 0
    for sequence, note in enumerate(record.notes, 1):
        kind = {"Discharge summary": "DS", "Radiology": "RR"}.get(note.category)
        if kind is None or note.error:
            continue
        table = "note/discharge" if kind == "DS" else "note/radiology"
        name, text = f"{stay.subject}-{kind}-{stay.hadm}-{sequence}", _MARK.sub("___", note.text)
        tables.add(table, name, stay.subject, stay.hadm, kind, sequence, note.charted, note.charted, text)
        written += 1
    return written


write_mimic_iv = functools.partial(write_tables, HEADERS, add_patient, add_stay)
