"""Writes made-up records as XML in the manner of the i2b2 and n2c2 challenges, a file a patient: ``write_i2b2``.

As in the i2b2 challenges, a RECORD holds what is annotated about it and its TEXT; patient, encounter, time and category
are attributes of the record. Notes entered in error are left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from crossward.config.data_sources import I2B2
from data.synthetic.forms.codes import icd9
from data.synthetic.forms.filing import Filed, walk
from data.synthetic.forms.packing import Packing
from data.synthetic.houses import House
from data.synthetic.tables import Record


def describe(house: House, packing: Packing) -> dict[str, Any]:
    """What notes.toml says of an export."""
    return {
        "source": I2B2,
        "path": ".",
        "columns": {
            "text": "TEXT",
            "note": "@ID",
            "patient": "@PATIENT",
            "encounter": "@ENCOUNTER",
            "time": "@DATE",
            "category": "@CATEGORY",
            "site": "@UNIT",
        },
        "labels": {"mortality": {"column": "OUTCOME@STATUS"}, "icd-chapter": {"column": "DIAGNOSIS@CODE"}},
    }


class _I2b2:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file: Any = None

    def close(self) -> None:
        if self.file is not None:
            self.file.write("</ROOT>\n")
            self.file.close()

    def patient(self, stays: list[Record]) -> None:
        self.close()
        self.file = (self.folder / f"{stays[0].stay.subject}.xml").open("w", encoding="utf-8", newline="")
        self.file.write('<?xml version="1.0" encoding="UTF-8"?>\n<ROOT>\n')

    def stay(self, record: Record) -> None:
        """Nothing stands between a patient and the notes here."""

    def note(self, filed: Filed) -> bool:
        note, stay = filed.note, filed.record.stay
        if note.error:
            return False
        attributes = {
            "ID": filed.number,
            "PATIENT": stay.subject,
            "ENCOUNTER": filed.encounter or "",
            "DATE": note.charted.isoformat(),
            "CATEGORY": note.category,
            "UNIT": filed.record.house.unit,
        }
        written = " ".join(f"{name}={quoteattr(str(value))}" for name, value in attributes.items())
        known = filed.encounter is not None
        outcome = f'<OUTCOME STATUS="{"died" if stay.died else "survived"}"/>\n' if known else ""
        code = f"icd9:{icd9(stay.diagnoses[0])}"
        diagnosis = f'<DIAGNOSIS CODE="{code}"/>\n' if known else ""
        self.file.write(f"<RECORD {written}>\n{outcome}{diagnosis}<TEXT>{escape(note.text)}</TEXT>\n</RECORD>\n")
        return True


def write_i2b2(
    found: Iterable[Record], folder: Path, packing: Packing, progress: Callable[[int], None] | None = None
) -> int:
    """Write ``found`` into ``folder``; returns the number of notes."""
    writer = _I2b2(folder)
    with contextlib.closing(writer):
        return walk(found, writer, progress)
