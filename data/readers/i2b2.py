"""Reads notes in XML as the i2b2 and n2c2 challenges publish them: one file, or a folder of them.

A note is a TEXT, its record the element that holds it. Columns are ``@ATTRIBUTE`` of the record, ``ELEMENT`` or
``ELEMENT@ATTRIBUTE`` in it. Where none is named for it, a note's id is its record's ID or the name of its file, and its
patient is the number before the last in a name of two (``110-03.xml``: patient 110), else the file's only record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from crossward.config.data_settings import DataConfig
from crossward.config.notes_settings import CATEGORY, ENCOUNTER, NOTE, PATIENT, SITE, TEXT, TIME
from data.errors import DataError
from data.files import UNREADABLE, unreadable
from data.readers.file_names import patient_of, too_many
from data.readers.pieces import Counts
from data.readers.row_pieces import Rows, with_ids
from data.readers.xml_records import Record, XmlError, records

DEFAULT_TEXT = "TEXT"
_ENDING = re.compile(r"\.xml(\.gz)?$", re.IGNORECASE)


def read_i2b2(path: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """Pieces of the notes of an XML file, or of all in a folder."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if _ENDING.search(p.name))
    if not files:
        raise DataError(
            f"{path}: holds no .xml file. Set data.path to the folder of the notes, or to one file of them."
        )
    text = config.notes.column(TEXT) or DEFAULT_TEXT
    rows, broken = Rows(), 0
    for file in files:
        try:
            found: Iterator[Record] | list[Record] = records(file, text)
            found = found if len(files) == 1 else list(found)  # of a file that is broken, nothing
            for number, record in enumerate(found, 1):
                counts["read"] += 1
                if piece := rows.add(_row(record, file, number, config, text)):
                    yield with_ids(piece)
        except XmlError as error:
            if len(files) == 1:
                raise DataError(f"{file}: {error}. Nothing of it was used. Repair it, or export it again.") from None
            counts.quarantine(file, error.line, error.why)
            broken += 1
        except UNREADABLE as error:
            raise unreadable(file, error) from None
    if piece := rows.rest():
        yield with_ids(piece)
    too_many(path, broken, len(files), "well-formed XML")


def _row(record: Record, file: Path, number: int, config: DataConfig, text: str) -> dict[str, str]:
    stem = _ENDING.sub("", file.name)
    own = {name: record.value(column) for name, column in config.notes.columns}
    name = record.attributes.get("id") or (stem if number == 1 else f"{stem}/{number}")
    alone = patient_of(stem) or (stem if number == 1 else f"{stem}/{number}")
    return {
        "note_id": own[NOTE].strip() if NOTE in own else name,
        "patient_id": own[PATIENT].strip() if PATIENT in own else alone,
        "encounter_id": own.get(ENCOUNTER, "").strip(),
        "time": own.get(TIME, "").strip(),
        "site": own.get(SITE, "").strip(),
        "category": own.get(CATEGORY, "").strip(),
        "label": record.value(config.label_column).strip() if config.label_column else "",
        "text": record.value(text),
    }
