"""Writes made-up records as MIMIC-IV's and MIMIC-IV-Note's CSV tables: ``write_mimic_iv``.

MIMIC-IV-Note has discharge summaries and radiology reports only, so other notes of a record are left out, and a
record without either gets none.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from data.synthetic.tables import Record
from data.synthetic.tables_iii import Tables

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


def _add(tables: Tables, record: Record, new_patient: bool) -> int:
    house, stay = record.house, record.stay
    death = stay.discharged if stay.died else ""
    if new_patient:
        years = _YEARS[stay.subject // 8 % len(_YEARS)]
        tables.add("hosp/patients", stay.subject, stay.sex, f"{stay.age:.0f}", stay.admitted.year, years, "")
    left = "DIED" if stay.died else "HOME"
    tables.add(
        "hosp/admissions", stay.subject, stay.hadm, stay.admitted, stay.discharged, death, "EW EMER.", "P1234",
        "EMERGENCY ROOM", left, "Other", "English", "SINGLE", "UNKNOWN", "", "", int(stay.died),
    )  # fmt: skip
    version = 10 if stay.hadm // 10 % 2 else 9
    for sequence, diagnosis in enumerate(stay.diagnoses, 1):
        code = diagnosis.icd10 if version == 10 else diagnosis.icd9
        tables.add("hosp/diagnoses_icd", stay.subject, stay.hadm, sequence, code, version)
    tables.add("hosp/services", stay.subject, stay.hadm, stay.admitted, "", house.service)
    days = (stay.discharged - stay.admitted).total_seconds() / 86_400
    tables.add(
        "icu/icustays", stay.subject, stay.hadm, 30_000_000 + stay.hadm, house.unit, house.unit, stay.admitted,
        stay.discharged, f"{days:.4f}",
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


def write_mimic_iv(
    found: Iterable[Record],
    folder: Path,
    compress: bool = False,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write the tables of ``found`` into ``folder``; returns how many notes were written."""
    folder.mkdir(parents=True, exist_ok=True)
    notes, last = 0, -1
    with contextlib.ExitStack() as stack:
        tables = Tables(folder, HEADERS, ".csv.gz" if compress else ".csv", stack)
        for record in found:
            notes += _add(tables, record, record.stay.subject != last)
            last = record.stay.subject
            if progress:
                progress(notes)
    return notes
