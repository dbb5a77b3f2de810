"""Writes made-up records as MIMIC-III's CSV tables: ``write_mimic_iii``."""

from __future__ import annotations

import functools

from data.synthetic.csv_tables import Tables, write_tables
from data.synthetic.tables import Record

HEADERS = {
    "NOTEEVENTS": "ROW_ID SUBJECT_ID HADM_ID CHARTDATE CHARTTIME STORETIME CATEGORY DESCRIPTION CGID ISERROR TEXT",
    "ADMISSIONS": "ROW_ID SUBJECT_ID HADM_ID ADMITTIME DISCHTIME DEATHTIME ADMISSION_TYPE ADMISSION_LOCATION "
    "DISCHARGE_LOCATION INSURANCE LANGUAGE RELIGION MARITAL_STATUS ETHNICITY EDREGTIME EDOUTTIME DIAGNOSIS "
    "HOSPITAL_EXPIRE_FLAG HAS_CHARTEVENTS_DATA",
    "PATIENTS": "ROW_ID SUBJECT_ID GENDER DOB DOD DOD_HOSP DOD_SSN EXPIRE_FLAG",
    "DIAGNOSES_ICD": "ROW_ID SUBJECT_ID HADM_ID SEQ_NUM ICD9_CODE",
    "ICUSTAYS": "ROW_ID SUBJECT_ID HADM_ID ICUSTAY_ID DBSOURCE FIRST_CAREUNIT LAST_CAREUNIT FIRST_WARDID "
    "LAST_WARDID INTIME OUTTIME LOS",
    "SERVICES": "ROW_ID SUBJECT_ID HADM_ID TRANSFERTIME PREV_SERVICE CURR_SERVICE",
}


def add_patient(tables: Tables, stays: list[Record]) -> None:
    """Write what is of a patient."""
    stay = stays[-1].stay
    tables.add_numbered(
        "PATIENTS", stay.subject, stay.sex, stay.born, stay.death, stay.death, "", int(stay.died)
    )  # fmt: skip


def add_stay(tables: Tables, record: Record) -> int:
    """Write a stay; returns the number of its notes."""
    house, stay = record.house, record.stay
    left = "DEAD/EXPIRED" if stay.died else ("HOME", "REHAB", "SNF")[stay.hadm // 10 % 3]
    kind = "NEWBORN" if house.age[0] == 0 else "EMERGENCY"
    religion = ("CATHOLIC", "NOT SPECIFIED", "JEWISH")[stay.subject % 3]
    married = ("MARRIED", "SINGLE", "WIDOWED")[stay.subject % 3]
    group = ("WHITE", "BLACK", "ASIAN")[stay.subject // 3 % 3]
    payer = ("Medicare", "Private", "Medicaid")[stay.subject // 5 % 3]
    tables.add_numbered(
        "ADMISSIONS", stay.subject, stay.hadm, stay.admitted, stay.discharged, stay.death, kind, "EMERGENCY ROOM ADMIT",
        left, payer, "ENGL", religion, married, group, "", "", stay.diagnoses[0].text.upper(), int(stay.died), 1,
    )  # fmt: skip
    for sequence, diagnosis in enumerate(stay.diagnoses, 1):
        tables.add_numbered("DIAGNOSES_ICD", stay.subject, stay.hadm, sequence, diagnosis.icd9)
    tables.add_numbered(
        "ICUSTAYS", stay.subject, stay.hadm, 200_000 + stay.hadm, "metavision", house.unit, house.unit, 12, 12,
        stay.admitted, stay.discharged, stay.days,
    )  # fmt: skip
    tables.add_numbered("SERVICES", stay.subject, stay.hadm, stay.admitted, "", house.service)
    for note in record.notes:
        charted = note.charted if note.category != "Discharge summary" else ""
        row = tables.number("NOTEEVENTS")
        hadm = stay.hadm if row % 53 else ""  # a few notes belong to no admission, as MIMIC-III's outpatient notes do
        category = note.category + (" " if note.category == "Physician" else "")
        tables.add(
            "NOTEEVENTS", row, stay.subject, hadm, note.charted.date(), charted, charted, category, "Report", "",
            1 if note.error else "", note.text,
        )  # fmt: skip
    return len(record.notes)


write_mimic_iii = functools.partial(write_tables, HEADERS, add_patient, add_stay)
