"""Reads a MIMIC-IV folder: note/discharge and note/radiology (MIMIC-IV-Note) with the tables of hosp/ and icu/.

Both releases unpacked side by side, or one inside the other, or all files in one folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import DataConfig
from data.csv_files import LINE
from data.errors import DataError
from data.formats.form import Form
from data.ids import as_ids, same_ids
from data.quarantine import Intake
from data.readers.pieces import Counts, EarlyNotes, Sites, admissions, charted, default_site, labels, times
from data.release_files import columns_of, stream_release
from data.tables import find_table

_CATEGORIES = {"discharge": "Discharge summary", "radiology": "Radiology"}


def read_mimic_iv(folder: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """Pieces of the notes of a MIMIC-IV folder."""
    paths = {name: path for name in _CATEGORIES if (path := find_table(folder, name))}
    if not paths:
        raise DataError(
            f"{folder}: holds neither discharge.csv(.gz) nor radiology.csv(.gz), here or in note/. "
            "Set data.path to the folder that holds MIMIC-IV-Note's note/ and MIMIC-IV's hosp/."
        )
    form = Form.of(config.notes)
    label = labels(folder, config, "icd_code", "icd_version")
    site = default_site(folder, config, "anchor_year_group")
    early = EarlyNotes(config, lambda: admissions(folder, config))
    for name, path in paths.items():
        sites = Sites(folder, path, site, form) if site != "category" else None
        wanted = ["note_id", "subject_id", "hadm_id", "text"]
        wanted += ["charttime"] if early.hours else times(columns_of(path, form), ("charttime",))
        wanted += [sites.column] if sites and sites.of_note and sites.column not in wanted else []
        for piece in stream_release(path, wanted, form, intake=Intake(path, counts)):
            counts["read"] += piece.num_rows
            hadms = as_ids(piece["hadm_id"], path, "hadm_id", piece[LINE])
            if early.hours:
                piece = counts.keep(piece, early.mask(piece["charttime"], hadms, path), "charted too late")
                hadms = as_ids(piece["hadm_id"], path, "hadm_id", piece[LINE])
            subjects = as_ids(piece["subject_id"], path, "subject_id", piece[LINE])
            category = pa.array([_CATEGORIES[name]] * piece.num_rows, pa.string())
            yield pa.table(
                {
                    "note_id": pc.utf8_trim_whitespace(piece["note_id"]),
                    "patient_id": same_ids(piece["subject_id"]),
                    "encounter_id": same_ids(piece["hadm_id"]),
                    "time": charted(piece),
                    "site": sites.get(piece, subjects, hadms) if sites else category,
                    "category": category,
                    "label": label.get(hadms),
                    "text": piece["text"],
                }
            )
