"""Reads a MIMIC-III folder: NOTEEVENTS, with ADMISSIONS, DIAGNOSES_ICD, ICUSTAYS, SERVICES and PATIENTS as needed.

Notes marked ISERROR are left out here. Notes of no admission (HADM_ID empty) have no label.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import DataConfig
from data.csv_files import LINE, match_columns
from data.formats.form import Form
from data.formats.tables import table_columns
from data.ids import as_ids, same_ids, without_decimals
from data.quarantine import Intake
from data.readers.pieces import Counts, EarlyNotes, Sites, admissions, charted, default_site, labels, times
from data.release_files import columns_of, stream_release
from data.tables import needed_table


def read_mimic_iii(folder: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """Pieces of the notes of a MIMIC-III folder."""
    path = needed_table(folder, "noteevents")
    wanted = ["row_id", "subject_id", "hadm_id", "category", "iserror", "text"]
    form = Form.of(config.notes)
    match_columns(str(path), table_columns(path, form), wanted)
    there = columns_of(path, form)
    label = labels(folder, config, "icd9_code", "")
    sites = Sites(folder, path, default_site(folder, config, "category"), form)
    early = EarlyNotes(config, lambda: admissions(folder, config))
    wanted += ["charttime", "chartdate"] if early.hours else times(there, ("charttime", "chartdate"))
    wanted += [sites.column] if sites.of_note and sites.column not in wanted else []
    for piece in stream_release(path, wanted, form, intake=Intake(path, counts)):
        counts["read"] += piece.num_rows
        right = pc.not_equal(without_decimals(piece["iserror"]), "1")
        piece = counts.keep(piece, right, "marked as an error")
        hadms = as_ids(piece["hadm_id"], path, "hadm_id", piece[LINE])
        if early.hours:
            piece = counts.keep(piece, early.mask(charted(piece), hadms, path), "charted too late")
            hadms = as_ids(piece["hadm_id"], path, "hadm_id", piece[LINE])
        subjects = as_ids(piece["subject_id"], path, "subject_id", piece[LINE])
        yield pa.table(
            {
                "note_id": piece["row_id"],
                "patient_id": same_ids(piece["subject_id"]),
                "encounter_id": same_ids(piece["hadm_id"]),
                "time": charted(piece),
                "site": sites.get(piece, subjects, hadms),
                "category": pc.utf8_trim_whitespace(piece["category"]),
                "label": label.get(hadms),
                "text": piece["text"],
            }
        )
