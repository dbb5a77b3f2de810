"""Writes made-up records as MIMIC-III's CSV tables: ``write_mimic_iii``."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

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


class Tables:
    """Open CSV tables of a folder, one row at a time; numbers ROW_ID when a table has one."""

    def __init__(self, folder: Path, headers: dict[str, str], suffix: str, stack: contextlib.ExitStack) -> None:
        self._writers: dict[str, Any] = {}
        self._count = dict.fromkeys(headers, 0)
        for name, header in headers.items():
            path = folder / (name + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            packed = suffix.endswith(".gz")
            raw: Any = stack.enter_context(gzip.GzipFile(path, "wb", 1) if packed else path.open("wb"))
            text = stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
            self._writers[name] = csv.writer(text, lineterminator="\n")
            self._writers[name].writerow(header.split())

    def add(self, table: str, *values: Any) -> None:
        """Write one row."""
        self._writers[table].writerow(values)

    def number(self, table: str) -> int:
        """The next ROW_ID of ``table``."""
        self._count[table] += 1
        return self._count[table]


def _add_patient(tables: Tables, record: Record) -> None:
    stay = record.stay
    dead = stay.discharged if stay.died else ""
    tables.add(
        "PATIENTS",
        tables.number("PATIENTS"),
        stay.subject,
        stay.sex,
        stay.born,
        dead,
        dead,
        "",
        int(stay.died),
    )


def _add_stay(tables: Tables, record: Record) -> None:
    house, stay = record.house, record.stay
    death = stay.discharged if stay.died else ""
    left = "DEAD/EXPIRED" if stay.died else ("HOME", "REHAB", "SNF")[stay.hadm // 10 % 3]
    kind = "NEWBORN" if house.age[0] == 0 else "EMERGENCY"
    religion = ("CATHOLIC", "NOT SPECIFIED", "JEWISH")[stay.subject % 3]
    married, group = (
        ("MARRIED", "SINGLE", "WIDOWED")[stay.subject % 3],
        ("WHITE", "BLACK", "ASIAN")[stay.subject // 3 % 3],
    )
    payer = ("Medicare", "Private", "Medicaid")[stay.subject // 5 % 3]
    tables.add(
        "ADMISSIONS", tables.number("ADMISSIONS"), stay.subject, stay.hadm, stay.admitted, stay.discharged, death, kind,
        "EMERGENCY ROOM ADMIT", left, payer, "ENGL", religion, married, group, "", "", stay.diagnoses[0].text.upper(),
        int(stay.died), 1,
    )  # fmt: skip
    for sequence, diagnosis in enumerate(stay.diagnoses, 1):
        tables.add("DIAGNOSES_ICD", tables.number("DIAGNOSES_ICD"), stay.subject, stay.hadm, sequence, diagnosis.icd9)
    days = (stay.discharged - stay.admitted).total_seconds() / 86_400
    tables.add(
        "ICUSTAYS", tables.number("ICUSTAYS"), stay.subject, stay.hadm, 200_000 + stay.hadm, "metavision", house.unit,
        house.unit, 12, 12, stay.admitted, stay.discharged, f"{days:.4f}",
    )  # fmt: skip
    tables.add("SERVICES", tables.number("SERVICES"), stay.subject, stay.hadm, stay.admitted, "", house.service)


def _add_notes(tables: Tables, record: Record) -> None:
    for note in record.notes:
        timed = note.category != "Discharge summary"
        # a few notes belong to no admission, as MIMIC-III's outpatient notes do
        row = tables.number("NOTEEVENTS")
        hadm = record.stay.hadm if row % 53 else ""
        tables.add(
            "NOTEEVENTS", row, record.stay.subject, hadm, note.charted.date(), note.charted if timed else "",
            note.charted if timed else "", note.category + (" " if note.category == "Physician" else ""), "Report", "",
            1 if note.error else "", note.text,
        )  # fmt: skip


def write_mimic_iii(
    found: Iterable[Record],
    folder: Path,
    compress: bool = False,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write the tables of ``found`` into ``folder``; returns how many notes were written.

    ``progress`` is called with the number of notes so far after each admission.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes, last = 0, -1
    with contextlib.ExitStack() as stack:
        tables = Tables(folder, HEADERS, ".csv.gz" if compress else ".csv", stack)
        pending: Record | None = None
        for record in found:
            if pending is not None and record.stay.subject != last:
                _add_patient(tables, pending)
            pending, last = record, record.stay.subject
            _add_stay(tables, record)
            _add_notes(tables, record)
            notes += len(record.notes)
            if progress:
                progress(notes)
        if pending is not None:
            _add_patient(tables, pending)
    return notes
