"""Writes made-up records as text files, one a note in its patient's folder, with a manifest: ``write_text``.

Notes entered in error are left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from crossward.config.data_sources import TEXT_FILES
from data.synthetic.forms.codes import icd9
from data.synthetic.forms.filing import Filed, walk
from data.synthetic.forms.packing import Packing
from data.synthetic.forms.table_files import TableFiles
from data.synthetic.houses import House
from data.synthetic.tables import Record

MANIFEST = "manifest"
_COLUMNS = "file note patient encounter time category unit outcome diagnosis"


def describe(house: House, packing: Packing) -> dict[str, Any]:
    """What notes.toml says of an export."""
    same = {name: name for name in ("note", "patient", "encounter", "time", "category")}
    return {
        "source": TEXT_FILES,
        "path": ".",
        "columns": {"text": "file", **same, "site": "unit"},
        "labels": {"mortality": {"column": "outcome"}, "icd-chapter": {"column": "diagnosis"}},
    }


class _Text:
    def __init__(self, folder: Path, files: TableFiles) -> None:
        self.folder, self.add = folder, files.add

    def patient(self, stays: list[Record]) -> None:
        (self.folder / str(stays[0].stay.subject)).mkdir()

    def stay(self, record: Record) -> None:
        """Nothing stands between a patient and the notes here."""

    def note(self, filed: Filed) -> bool:
        note, stay = filed.note, filed.record.stay
        if note.error:
            return False
        file = f"{stay.subject}/{filed.number}.txt"
        (self.folder / file).write_text(note.text, encoding="utf-8", newline="")
        known = filed.encounter is not None
        self.add(
            MANIFEST, file=file, note=filed.number, patient=stay.subject, encounter=filed.encounter,
            time=note.charted.isoformat(), category=note.category, unit=filed.record.house.unit,
            outcome=("died" if stay.died else "survived") if known else None,
            diagnosis=f"icd9:{icd9(stay.diagnoses[0])}" if known else None,
        )  # fmt: skip
        return True


def write_text(
    found: Iterable[Record], folder: Path, packing: Packing, progress: Callable[[int], None] | None = None
) -> int:
    """Write ``found`` into ``folder``; returns the number of notes."""
    schema = pa.schema([(name, pa.string()) for name in _COLUMNS.split()])
    with contextlib.ExitStack() as stack:
        return walk(found, _Text(folder, TableFiles(folder, {MANIFEST: schema}, packing, stack)), progress)
