"""Reads a folder of text files, a note each, with a manifest or with names that say whose they are.

The manifest is a table ``manifest.csv`` in the folder; of its columns the one of ``text`` names the file, from the
folder. Without one, a file's patient is the folder that it is in, or the number before the last in a name of two
(``110-03.txt``: patient 110), else the file is its own patient's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from crossward.config.data_settings import DataConfig
from crossward.config.notes_settings import CATEGORY, COMMON_FIELDS, ENCOUNTER, NOTE, PATIENT, SITE, TEXT, TIME
from data.errors import DataError
from data.formats.encodings import encoding_of
from data.formats.form import Form
from data.ids import without_decimals
from data.quoting import cause
from data.readers.file_names import patient_of, too_many
from data.readers.pieces import Counts
from data.readers.row_pieces import Rows, with_ids
from data.release_files import stream_release
from data.tables import find_table

MANIFEST, DEFAULT_FILE = "manifest", "file"
_MISSING, _OUTSIDE, _ENCODING = "the file is missing", "the file is not in the folder", "the file is not {}"


def read_text_files(folder: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """Pieces of the notes of a folder of text files."""
    manifest = find_table(folder, MANIFEST)
    folder = manifest.parent if manifest else folder
    listed = _listed(manifest, config) if manifest else _named(folder)
    rows, broken, number, used = Rows(), 0, 0, set[Path]()
    for number, row in enumerate(listed, 1):
        path = Path(os.path.normpath(folder / row.pop("file")))
        text, why = _text(path, folder, config.notes.encoding)
        used.add(path)
        if why:
            counts.quarantine(manifest or path, number + 1 if manifest else 0, why)
            broken += 1
            continue
        counts["read"] += 1
        if piece := rows.add({**row, "text": text}):
            yield with_ids(piece)
    if piece := rows.rest():
        yield with_ids(piece)
    if not number:
        raise DataError(
            f"{folder}: holds no .txt file, and no {MANIFEST}.csv that names files. Set data.path to the notes."
        )
    if manifest:
        _count_others(folder, used, counts)
    too_many(folder, broken, number, "there, or not in one encoding")


def _listed(manifest: Path, config: DataConfig) -> Iterator[dict[str, str]]:
    """What the manifest says of each note, its file included."""
    notes, label = config.notes, config.label_column
    own = {name: notes.column(name) for name in COMMON_FIELDS if notes.column(name)}
    own[TEXT] = own.get(TEXT) or DEFAULT_FILE
    wanted = list(dict.fromkeys([*own.values(), *([label] if label else [])]))
    for piece in stream_release(manifest, wanted, Form.of(notes)):
        columns = {column: without_decimals(piece[column]).to_pylist() for column in wanted}
        for at in range(piece.num_rows):
            row = {name: columns[column][at] for name, column in own.items()}
            yield {
                "file": row[TEXT],
                "note_id": row.get(NOTE) or row[TEXT],
                "patient_id": row[PATIENT] if PATIENT in row else row[TEXT],
                "encounter_id": row.get(ENCOUNTER, ""),
                "time": row.get(TIME, ""),
                "site": row.get(SITE, ""),
                "category": row.get(CATEGORY, ""),
                "label": columns[label][at] if label else "",
            }


def _named(folder: Path) -> Iterator[dict[str, str]]:
    """What the names of all text files say."""
    for path in sorted(p for p in folder.rglob("*") if _is_text(p)):
        inside = path.relative_to(folder)
        name = inside.with_suffix("").as_posix()
        patient = inside.parts[0] if len(inside.parts) > 1 else patient_of(path.stem) or name
        yield {"file": str(inside), "note_id": name, "patient_id": patient}


def _is_text(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and not path.name.startswith(".") and path.is_file()


def _text(path: Path, folder: Path, encoding: str) -> tuple[str, str]:
    """The text of a file, or why there is none."""
    if not path.is_relative_to(os.path.normpath(folder)):
        return "", _OUTSIDE
    try:
        raw = path.read_bytes()
        if not encoding:
            with contextlib.suppress(UnicodeDecodeError):  # as most files are
                return raw.decode("utf-8-sig"), ""
        return raw.decode(encoding_of(path, encoding).name), ""
    except (UnicodeDecodeError, DataError):
        return "", _ENCODING.format(encoding or "in one encoding")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError):  # a name may hold what no name can
        return "", _MISSING
    except OSError as error:
        return "", f"the file cannot be read: {cause(error)}"


def _count_others(folder: Path, used: set[Path], counts: Counts) -> None:
    """Count the text files that the manifest does not name: they are notes that nobody described."""
    if others := sum(1 for path in folder.rglob("*") if _is_text(path) and Path(os.path.normpath(path)) not in used):
        counts.update({"read": others, "not in the manifest": others})
