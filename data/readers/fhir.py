"""Reads a FHIR R4 bulk export: NDJSON of DocumentReference, DiagnosticReport and Composition, each note one of them.

Encounter gives sites and, with Patient and Condition, labels (``data.readers.fhir_tables``). A note's category is its
LOINC document type if it is coded so, else what it is called. Left out: what is marked as entered in error or replaced.
A resource without a text that can be read is quarantined.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from crossward.config.data_settings import DataConfig
from crossward.config.notes_settings import SITE
from data.errors import DataError
from data.ids import same_ids
from data.readers.fhir_resources import Resource, at, codes, moment, name_in, plain, text_at, words
from data.readers.fhir_tables import Encounters, Export
from data.readers.fhir_texts import Texts, UnreadableError
from data.readers.pieces import COLUMNS, Counts, is_early
from data.readers.row_pieces import Rows

KINDS = ("DocumentReference", "DiagnosticReport", "Composition")
_CATEGORY = {"DocumentReference": "type", "DiagnosticReport": "code", "Composition": "type"}
_ENCOUNTER = {"DocumentReference": "context.encounter", "DiagnosticReport": "encounter", "Composition": "encounter"}
_TIMES = {
    "DocumentReference": ("context.period.start", "date"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod.start", "issued"),
    "Composition": ("date",),
}
_ERROR, _REPLACED = "entered-in-error", "superseded"


def read_fhir(folder: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """Pieces of the notes of a FHIR bulk export."""
    export = Export(folder)
    if not any(export.files.get(kind) for kind in KINDS):
        raise DataError(
            f"{folder}: holds none of {', '.join(KINDS)} in .ndjson or .ndjson.gz (types of resources found: "
            f"{', '.join(sorted(export.files)) or 'none'}). Set data.path to the folder of the bulk export."
        )
    encounters = Encounters(export, config, config.notes.column(SITE))
    texts = Texts(folder, export.files.get("Binary", []))
    for kind in KINDS:
        rows = Rows()
        for path, line, resource in export.stream(kind, counts.quarantine):
            if why := _left_out(resource):
                counts.update(("read", why))
                continue
            try:
                text = texts.of(resource)
            except UnreadableError as error:
                counts.quarantine(path, line, str(error))
                continue
            counts["read"] += 1
            if piece := rows.add(_row(resource, text)):
                yield _joined(piece, encounters, config, counts, path)
        if piece := rows.rest():
            yield _joined(piece, encounters, config, counts, folder)


def _left_out(resource: Resource) -> str:
    """Why a resource is not a note of its patient; "" if it is."""
    statuses = (resource.get("status"), resource.get("docStatus"))
    if _ERROR in statuses:
        return "marked as an error"
    return "replaced by another" if _REPLACED in statuses else ""


def _row(resource: Resource, text: str) -> dict[str, str]:
    kind = resource["resourceType"]
    concept = resource.get(_CATEGORY[kind])
    return {
        "note_id": text_at(resource, "id"),
        "patient_id": name_in(resource.get("subject")),
        "encounter_id": name_in(at(resource, _ENCOUNTER[kind])),
        "time": text_at(resource, *_TIMES[kind]),
        "category": next(iter(codes(concept, ("loinc",))), "") or words(concept),
        "text": text,
    }


def _joined(piece: pa.Table, encounters: Encounters, config: DataConfig, counts: Counts, path: Path) -> pa.Table:
    """``piece`` with what is known of its encounters."""
    names = piece["encounter_id"].to_pylist()
    if config.note_hours and encounters.label:
        charted = [plain(moment(time)) for time in piece["time"].to_pylist()]
        early = is_early(encounters.starts.get(names), pa.array(charted, pa.string()), config.note_hours, path)
        piece = counts.keep(piece, early, "charted too late")
        names = piece["encounter_id"].to_pylist()
    found = {name: same_ids(piece[name]) for name in ("note_id", "patient_id", "encounter_id")}
    found |= {"site": encounters.sites.get(names), "label": encounters.labels.get(names)}
    return pa.table({name: found.get(name, piece[name]) for name in COLUMNS})
