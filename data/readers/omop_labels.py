"""What labels follow from in OMOP tables: ``labels``, by visit.

Mortality: the visit's discharge says so, or DEATH has the person's death within the visit. Condition: the visit's
primary diagnosis (CONDITION_STATUS_CONCEPT_ID), else its first row, as the code of its source concept, else a source
value that is an ICD code, else the code of its standard concept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import LABEL, DataConfig
from crossward.config.data_sources import MORTALITY
from data.errors import DataError
from data.ids import as_ids, without_decimals
from data.labels import OUTCOMES
from data.readers.omop_tables import Tables, first_of, no_lookup
from data.tables import Lookup

DIED_CONCEPTS = ("4216643",)  # Patient died
DIED_WORDS = ("expired", "died", "dead", "deceased", "death", "dead/expired", "exp", "20", "40", "41", "42")
"""Discharge as a source has it, in lower case: words, and the codes of UB-04's patient discharge status."""
PRIMARY = {32903: 0, 32902: 0, 32901: 1}  # primary discharge diagnosis, primary diagnosis, primary admission diagnosis
_OTHER = 2
# a code of ICD-9-CM or ICD-10-CM, which CONDITION_SOURCE_VALUE mostly is, with its vocabulary or without
_ICD = r"^(?i:(ICD-?\d+(-?CM)?)[:|])?(\d{3}(\.?\d{1,2})?|[A-Z]\d[0-9A-Z](\.?[0-9A-Z]{1,4})?)$"
_CONDITIONS = ("ICD10CM", "ICD9CM", "ICD10", "SNOMED")
_MOST = 400_000  # rows of conditions that are held before the first of each visit are picked


def labels(tables: Tables, config: DataConfig) -> Lookup:
    """The configured label by visit, conditions as ``icd9:427.31``; of none for the notes task."""
    if config.task != LABEL:
        return no_lookup()
    return _mortality(tables) if config.label == MORTALITY else _conditions(tables)


def _mortality(tables: Tables) -> Lookup:
    path = tables.needed("visit_occurrence")
    deaths = tables.lookup("death", "person_id", "death_date") if tables.has("death") else no_lookup()
    ids, outcomes, told = [], [], tables.has("death")
    needed = ("visit_occurrence_id", "person_id", "visit_start_date", "visit_end_date")
    for piece in tables.stream("visit_occurrence", needed, ("discharged_to_concept_id", "discharged_to_source_value")):
        words = pc.utf8_lower(pc.utf8_trim_whitespace(piece["discharged_to_source_value"]))
        concepts = without_decimals(piece["discharged_to_concept_id"])
        told = told or pc.any(pc.not_equal(words, "")).as_py() or pc.any(pc.greater(concepts, "0")).as_py()
        left_dead = pc.or_(pc.is_in(words, pa.array(DIED_WORDS)), pc.is_in(concepts, pa.array(DIED_CONCEPTS)))
        death = deaths.get(as_ids(piece["person_id"], path, "person_id"))
        died = pc.or_(left_dead, _within(death, piece["visit_start_date"], piece["visit_end_date"]))
        ids.append(as_ids(piece["visit_occurrence_id"], path, "visit_occurrence_id"))
        outcomes.append(pc.if_else(died, OUTCOMES[1], OUTCOMES[0]))
    if not told:
        raise DataError(
            f"{tables.folder}: data.label = 'mortality' needs DEATH or VISIT_OCCURRENCE's discharged_to_source_value, "
            "and there is neither. Export one of them, or choose another label."
        )
    chunks = [chunk for outcome in outcomes for chunk in outcome.chunks]
    return Lookup(np.concatenate(ids), pa.chunked_array(chunks)) if ids else no_lookup()


def _within(death: pa.Array, start: pa.ChunkedArray, end: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether a day is one from ``start`` to ``end``; days are written YYYY-MM-DD, so texts compare as days do."""
    day, first, last = (pc.utf8_slice_codeunits(c, 0, 10) for c in (death, start, end))
    last = pc.if_else(pc.equal(last, ""), first, last)
    known = pc.and_(pc.not_equal(day, ""), pc.not_equal(first, ""))
    return pc.and_(known, pc.and_(pc.greater_equal(day, first), pc.less_equal(day, last)))


def _conditions(tables: Tables) -> Lookup:
    path = tables.needed("condition_occurrence")
    needed = ("condition_occurrence_id", "visit_occurrence_id")
    optional = (
        "condition_status_concept_id",
        "condition_source_value",
        "condition_source_concept_id",
        "condition_concept_id",
    )
    held: list[pa.Table] = []
    for piece in tables.stream("condition_occurrence", needed, optional):
        held.append(_ranked(piece, path))
        if sum(table.num_rows for table in held) > _MOST:
            held = [_first_of_each(held)]
    firsts = _first_of_each(held) if held else None
    if firsts is None or not firsts.num_rows:
        return no_lookup()
    used = pc.unique(pa.chunked_array([*firsts["source_concept"].chunks, *firsts["concept"].chunks]))
    codes = tables.concepts(_CONDITIONS, used)
    of_source, of_concept = (codes.get(as_ids(firsts[name], path, name)) for name in ("source_concept", "concept"))
    values = firsts["source_value"]
    icd = pc.if_else(pc.match_substring_regex(values, _ICD), values, "")
    found = first_of(of_source, icd, of_concept, values)
    return Lookup(firsts["visit"].to_numpy(), pa.chunked_array([found]) if isinstance(found, pa.Array) else found)


def _ranked(piece: pa.Table, path: Path) -> pa.Table:
    status = as_ids(piece["condition_status_concept_id"], path, "condition_status_concept_id")
    rank = np.select([status == concept for concept in PRIMARY], list(PRIMARY.values()), _OTHER)
    visit = as_ids(piece["visit_occurrence_id"], path, "visit_occurrence_id")
    table = pa.table(
        {
            "visit": visit,
            "rank": rank,
            "number": as_ids(piece["condition_occurrence_id"], path, "condition_occurrence_id"),
            "source_value": without_decimals(piece["condition_source_value"]),
            "source_concept": without_decimals(piece["condition_source_concept_id"]),
            "concept": without_decimals(piece["condition_concept_id"]),
        }
    )
    return table.filter(pa.array(visit >= 0))


def _first_of_each(tables: list[pa.Table]) -> pa.Table:
    """The row of each visit that comes first by rank and number."""
    table = pa.concat_tables(tables).sort_by([("visit", "ascending"), ("rank", "ascending"), ("number", "ascending")])
    _, first = np.unique(table["visit"].to_numpy(), return_index=True)
    return table.take(pa.array(first))
