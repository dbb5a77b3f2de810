"""The tables of an OMOP folder: ``Tables``. Not for: what they mean for a note (``data.readers.omop``)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.csv_files import LINE
from data.formats.form import Form
from data.ids import as_ids, without_decimals
from data.quarantine import Intake
from data.release_files import columns_of, stream_release
from data.tables import Lookup, find_table, needed_table

SYSTEMS = {"LOINC": "loinc", "ICD9CM": "icd9", "ICD10CM": "icd10", "ICD10": "icd10", "SNOMED": "snomed"}
"""Vocabulary of CONCEPT -> prefix of its codes."""


def no_lookup() -> Lookup:
    """A lookup that knows nothing."""
    return Lookup(np.array([], np.int64), pa.chunked_array([], pa.string()))


def first_of(*columns: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Of each row the first value that is not empty."""
    trimmed = [pc.utf8_trim_whitespace(column) for column in columns]
    return pc.coalesce(*(pc.if_else(pc.equal(column, ""), None, column) for column in trimmed[:-1]), trimmed[-1])


class Tables:
    """An OMOP folder's tables, by lower-case names."""

    def __init__(self, folder: Path, form: Form) -> None:
        self.folder, self.form = folder, form

    def needed(self, name: str) -> Path:
        """The file of a table without which the notes cannot be read."""
        return needed_table(self.folder, name)

    def has(self, name: str) -> bool:
        """Whether the folder holds the table."""
        return find_table(self.folder, name) is not None

    def columns(self, name: str) -> list[str]:
        """The columns of a table; none of one that is not there."""
        path = find_table(self.folder, name)
        return columns_of(path, self.form) if path else []

    def stream(
        self, name: str, needed: Sequence[str], optional: Sequence[str] = (), intake: Intake | None = None
    ) -> Iterator[pa.Table]:
        """Pieces of a table, all texts; optional columns that are not there are empty."""
        yield from stream_release(self.needed(name), needed, self.form, optional, intake)

    def lookup(self, name: str, key: str, column: str) -> Lookup:
        """``column`` by the whole number ``key``."""
        path, ids, values = self.needed(name), [], []
        for piece in self.stream(name, (key, column)):
            ids.append(as_ids(piece[key], path, key, piece[LINE]))
            values.append(without_decimals(piece[column]))
        if not ids:
            return no_lookup()
        return Lookup(np.concatenate(ids), pa.chunked_array([chunk for value in values for chunk in value.chunks]))

    def times(self, name: str, key: str, start: str) -> Lookup:
        """The time ``start``_datetime of each ``key``, or its date where no time is known."""
        path, ids, values = self.needed(name), [], []
        for piece in self.stream(name, (key, f"{start}_date"), (f"{start}_datetime",)):
            ids.append(as_ids(piece[key], path, key, piece[LINE]))
            times = pc.if_else(
                pc.equal(piece[f"{start}_datetime"], ""), piece[f"{start}_date"], piece[f"{start}_datetime"]
            )
            values += times.chunks
        return Lookup(np.concatenate(ids), pa.chunked_array(values)) if ids else no_lookup()

    def concepts(self, vocabularies: Collection[str], used: pa.Array | None = None) -> Lookup:
        """Concept -> its code with its system, as in ``loinc:18842-5``; of the ``used`` ones, or of all.

        CONCEPT may hold millions of concepts, of which a database uses some thousands.
        """
        if not self.has("concept"):
            return no_lookup()
        path, ids, values = self.needed("concept"), [], []
        for piece in self.stream("concept", ("concept_id", "vocabulary_id", "concept_code")):
            piece = piece.filter(pc.is_in(piece["vocabulary_id"], pa.array(list(vocabularies), pa.string())))
            if used is not None:
                piece = piece.filter(pc.is_in(without_decimals(piece["concept_id"]), used))
            systems = [SYSTEMS[name] for name in piece["vocabulary_id"].to_pylist()]
            codes = pc.binary_join_element_wise(pa.array(systems, pa.string()), _one(piece["concept_code"]), ":")
            ids.append(as_ids(piece["concept_id"], path, "concept_id", piece[LINE]))
            values.append(codes)
        return Lookup(np.concatenate(ids), pa.chunked_array(values, pa.string())) if ids else no_lookup()


def _one(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
