"""Small sound files of notes of every source, to be damaged. Not for: damaging them (``benchmarks.fuzz.spoiling``)."""

from __future__ import annotations

import bz2
import csv
import dataclasses
import gzip
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from crossward.config.data_sources import SOURCES
from crossward.config.notes_settings import NotesConfig
from data import DataConfig
from data.own_notes import described
from data.synthetic.command import NOTES
from data.synthetic.forms.entries import FORMS
from data.synthetic.forms.notes_toml import as_toml
from data.synthetic.houses import HOUSES
from data.synthetic.tables import records

NAMES = ("patient", "text", "ward")
ROWS = [
    (f"{i // 2:03d}", f'Note {i}: the patient is well.\nHe says "no pain", eats; sleeps.', "AB"[i % 2])
    for i in range(40)
]
PLAIN = [(f"P{i // 2}", f"Note {i}: the patient is well.", "AB"[i % 2]) for i in range(40)]


@dataclass(frozen=True)
class Material:
    """Sound files of one kind: what reads them, and whether a row is a line and nothing else."""

    source: str
    config: DataConfig
    path: Path
    of_lines: bool = False

    def reads(self, path: Path) -> DataConfig:
        """What reads a copy of them at ``path``: a folder by its notes.toml, a database by a query.

        Raises
        ------
        DataError
            the notes.toml is wrong.
        """
        config = dataclasses.replace(self.config, path=str(path))
        if path.is_dir():
            return described(config, path)
        if not SOURCES[config.source].is_url:
            return config
        columns = (("patient", "patient"), ("text", "text"))
        notes = NotesConfig(config.source, f"sqlite:///{path}", "SELECT * FROM notes", columns=columns)
        return dataclasses.replace(config, described=notes)


def _csv(rows: list[tuple[str, str, str]] = ROWS) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([NAMES, *rows])
    return file.getvalue().encode()


def _objects() -> list[dict[str, str]]:
    return [dict(zip(NAMES, row, strict=True)) for row in ROWS]


def _workbook() -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in (NAMES, *ROWS):
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def _parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(_objects()), file)
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.csv", _csv())
    return file.getvalue()


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "csv": ("csv", _csv),
    "csv of plain lines": ("csv", lambda: _csv(PLAIN)),
    "csv.gz": ("csv", lambda: gzip.compress(_csv(), mtime=0)),
    "csv.bz2": ("csv", lambda: bz2.compress(_csv())),
    "csv in a zip": ("csv", _zip),
    "jsonl": ("jsonl", lambda: "".join(json.dumps(row) + "\n" for row in _objects()).encode()),
    "json": ("json", lambda: json.dumps(_objects(), indent=1).encode()),
    "parquet": ("parquet", _parquet),
    "xlsx": ("xlsx", _workbook),
}


def sound_files(folder: Path) -> list[Material]:
    """All of them, written into ``folder``."""
    folder.mkdir()
    made = []
    for name, (source, content) in FILES.items():
        path = folder / f"{name.replace(' ', '-')}.bin"
        path.write_bytes(content())
        config = DataConfig(source=source, patient_column="patient", site_column="ward")
        made.append(Material(name, config, path, name.endswith("lines")))
    for name, form in FORMS.items():
        for packed in form.packings:
            path = folder / f"{name}-{packed}"
            form.write(records(8, 2, seed=5), path, packed, lambda _: None)
            (path / NOTES).write_text(as_toml(form.describe(HOUSES[0], packed)), encoding="utf-8")
            for task in ("notes", "label"):
                config = DataConfig(source="own", task=task, keep_discharge_summaries=True)
                made.append(Material(f"{name}, {packed}, {task}", config, path))
    return [*made, _database(folder / "notes.db")]


def _database(path: Path) -> Material:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes (patient, text, ward)")
        database.executemany("INSERT INTO notes VALUES (?, ?, ?)", ROWS)
    database.close()
    return Material("sql", DataConfig(source="sql"), path)
