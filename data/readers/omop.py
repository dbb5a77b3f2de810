"""Reads a folder of OMOP CDM 5.4 tables: NOTE, with VISIT_OCCURRENCE, CONDITION_OCCURRENCE, DEATH, CARE_SITE, CONCEPT.

CSV or Parquet, in upper or lower case. PERSON is not needed: a note names its person. A note's category is the LOINC
document type of its class if CONCEPT has it, else its title or source value. What labels follow from is in
``data.readers.omop_labels``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import DataConfig
from crossward.config.notes_settings import SITE
from data.errors import DataError
from data.formats.form import Form
from data.ids import Ids, as_ids, same_ids, without_decimals
from data.quarantine import Intake
from data.readers.omop_labels import labels
from data.readers.omop_tables import Tables, first_of, no_lookup
from data.readers.pieces import COLUMNS, Counts, EarlyNotes
from data.tables import Lookup

_NEEDED = ("note_id", "person_id", "note_text")
_OPTIONAL = (
    "note_date",
    "note_datetime",
    "note_class_concept_id",
    "note_title",
    "note_source_value",
    "visit_occurrence_id",
)


def read_omop(folder: Path, config: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """Pieces of the notes of a folder of OMOP tables."""
    tables = Tables(folder, Form.of(config.notes))
    path = tables.needed("note")
    sites = _Sites(tables, config.notes.column(SITE))
    label = labels(tables, config)
    early = EarlyNotes(config, lambda: tables.times("visit_occurrence", "visit_occurrence_id", "visit_start"))
    documents = tables.concepts(("LOINC",))
    for piece in tables.stream("note", _NEEDED, (*_OPTIONAL, *sites.of_note), Intake(path, counts)):
        counts["read"] += piece.num_rows
        times = pc.if_else(pc.equal(piece["note_datetime"], ""), piece["note_date"], piece["note_datetime"])
        piece = piece.append_column("time", times)
        visits = as_ids(piece["visit_occurrence_id"], path, "visit_occurrence_id")
        if early.hours:
            piece = counts.keep(piece, early.mask(piece["time"], visits, path), "charted too late")
            visits = as_ids(piece["visit_occurrence_id"], path, "visit_occurrence_id")
        classes = documents.get(as_ids(piece["note_class_concept_id"], path, "note_class_concept_id"))
        yield pa.table(
            {
                "note_id": same_ids(piece["note_id"]),
                "patient_id": same_ids(piece["person_id"]),
                "encounter_id": same_ids(piece["visit_occurrence_id"]),
                "time": piece["time"],
                "site": sites.get(piece, visits, as_ids(piece["person_id"], path, "person_id")),
                "category": first_of(classes, piece["note_source_value"], piece["note_title"]),
                "label": label.get(visits),
                "text": piece["note_text"],
            }
        ).select(COLUMNS)


class _Sites:
    """The site of a note: the visit's care site, or a column of NOTE, of VISIT_OCCURRENCE or of PERSON."""

    def __init__(self, tables: Tables, column: str) -> None:
        self.column = column.lower()
        self.of_note: tuple[str, ...] = ()
        self.by_person = False
        self.lookup = no_lookup()
        if not self.column:
            self.lookup = _care_sites(tables)
        elif self.column in tables.columns("note"):
            self.of_note = (self.column,)
        elif self.column in tables.columns("visit_occurrence"):
            self.lookup = tables.lookup("visit_occurrence", "visit_occurrence_id", self.column)
        elif self.column in tables.columns("person"):
            self.by_person, self.lookup = True, tables.lookup("person", "person_id", self.column)
        else:
            raise DataError(
                f"{tables.folder}: site column {column!r} is a column of none of NOTE, VISIT_OCCURRENCE and PERSON. "
                "Name one that is, such as care_site_id or provider_id, or none for the visits' care sites."
            )

    def get(self, piece: pa.Table, visits: Ids, persons: Ids) -> pa.Array | pa.ChunkedArray:
        """The site of each note of ``piece``, "" where it has none."""
        if self.of_note:
            return without_decimals(piece[self.column])
        return self.lookup.get(persons if self.by_person else visits)


def _care_sites(tables: Tables) -> Lookup:
    """Visit -> name of its care site, or its number where CARE_SITE does not have it."""
    if "care_site_id" not in tables.columns("visit_occurrence"):
        return no_lookup()
    visits = tables.lookup("visit_occurrence", "visit_occurrence_id", "care_site_id")
    if "care_site_name" not in tables.columns("care_site"):
        return visits
    named = tables.lookup("care_site", "care_site_id", "care_site_name")
    return visits.map(lambda ids: first_of(named.get(as_ids(ids, tables.folder, "care_site_id")), ids))
