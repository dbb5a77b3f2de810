"""Writes made-up records as the CSV file of a hospital that never heard of MIMIC: ``write_csv``.

Its own column names, words for categories and outcomes and dates in German, semicolons between fields, "k. A." for what
is missing, and Windows-1252, or UTF-8 with a byte order mark where a house writes what that lacks (arrows). Notes
entered in error are left out; texts are those of the other forms.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from crossward.config.data_sources import CSV
from data.synthetic.forms.codes import icd10
from data.synthetic.forms.filing import Filed, walk
from data.synthetic.forms.packing import Packing
from data.synthetic.forms.table_files import TableFiles
from data.synthetic.houses import House
from data.synthetic.tables import Record

NAME, DELIMITER, MISSING = "Befunde", ";", "k. A."
COLUMNS = {
    "note": "Befund-Nr",
    "patient": "Patient-Nr",
    "encounter": "Fall-Nr",
    "time": "Geschrieben am",
    "category": "Befundart",
    "site": "Abteilungskürzel",
    "text": "Befundtext",
}
OUTCOME, DIAGNOSIS = "Entlassungsart", "Hauptdiagnose (ICD-10)"
CATEGORIES = {
    "Physician": "Ärztlicher Verlauf",
    "Nursing": "Pflegebericht",
    "Radiology": "Röntgenbefund",
    "Discharge summary": "Entlassungsbrief",
}
COMMON = dict(zip(CATEGORIES.values(), ("progress", "nursing", "radiology", "discharge summary"), strict=True))
OUTCOMES = {"verstorben": "died", "nach Hause": "survived"}
TIMES = "%d.%m.%Y %H:%M"
_LEFT = {theirs: own for own, theirs in OUTCOMES.items()}


def encoding_of(house: House) -> str:
    """The encoding of an export that begins with a patient of ``house``: made-up hospitals come largest first."""
    try:
        repr(house).encode("cp1252")
    except UnicodeEncodeError:
        return "utf-8-sig"
    return "cp1252"


def describe(house: House, packing: Packing) -> dict[str, Any]:
    """What notes.toml says of such an export."""
    return {
        "source": CSV,
        "path": packing.name_of(f"{NAME}.csv"),
        "encoding": encoding_of(house),
        "delimiter": DELIMITER,
        "nulls": [MISSING],
        "times": TIMES,
        "columns": COLUMNS,
        "categories": COMMON,
        "labels": {
            "mortality": {"column": OUTCOME, "values": OUTCOMES},
            "icd-chapter": {"column": DIAGNOSIS, "system": "icd10"},
        },
    }


class _Spreadsheet:
    def __init__(self, files: TableFiles) -> None:
        self.add = files.add

    def patient(self, stays: list[Record]) -> None:
        """A file of notes says nothing of patients beyond their ids."""

    def stay(self, record: Record) -> None:
        """Nor of stays."""

    def note(self, filed: Filed) -> bool:
        note, stay = filed.note, filed.record.stay
        if note.error:
            return False
        values = {
            "note": filed.number,
            "patient": stay.subject,
            "encounter": filed.encounter,
            "time": f"{note.charted:{TIMES}}",
            "category": CATEGORIES[note.category],
            "site": filed.record.house.unit,
            "text": note.text,
        }
        known = filed.encounter is not None
        row = {COLUMNS[name]: value for name, value in values.items()} | {
            OUTCOME: _LEFT["died" if stay.died else "survived"] if known else None,
            DIAGNOSIS: icd10(stay.diagnoses[0]) if known else None,
        }
        self.add(NAME, **row)
        return True


def write_csv(
    found: Iterable[Record], folder: Path, packing: Packing, progress: Callable[[int], None] | None = None
) -> int:
    """Write ``found`` into ``folder``; returns the number of notes."""
    records = iter(found)
    first = list(itertools.islice(records, 1))
    encoding = encoding_of(first[0].house) if first else "cp1252"
    schema = pa.schema([(name, pa.string()) for name in (*COLUMNS.values(), OUTCOME, DIAGNOSIS)])
    with contextlib.ExitStack() as stack:
        files = TableFiles(
            folder, {NAME: schema}, packing, stack, encoding=encoding, missing=MISSING, delimiter=DELIMITER,
            quoting=csv.QUOTE_MINIMAL,
        )  # fmt: skip
        return walk(itertools.chain(first, records), _Spreadsheet(files), progress)
