"""Writes made-up records as tables of the OMOP Common Data Model 5.4: ``write_omop``.

PERSON, VISIT_OCCURRENCE, CONDITION_OCCURRENCE, NOTE, DEATH and CARE_SITE in the columns of OHDSI's DDL, and as much of
CONCEPT as the others refer to. Codes of documents and conditions are concepts of a site's own (ids above two billion),
since no vocabulary is shipped; CONCEPT says which LOINC or ICD-9-CM code each is. The model has no mark for a note that
was entered in error, so those are left out.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa

from data.synthetic.forms.codes import LOINC, icd9
from data.synthetic.forms.filing import Filed, walk
from data.synthetic.forms.packing import Packing
from data.synthetic.forms.table_files import TableFiles
from data.synthetic.tables import Record

EHR, EHR_NOTE, INPATIENT, UTF8, ENGLISH = 32817, 32831, 9201, 32678, 4180186
PRIMARY, SECONDARY = 32902, 32908  # diagnoses
SEXES = {"M": 8507, "F": 8532}
OWN_CONCEPTS = 2_000_000_000
_INTEGER, _TEXT, _DATE, _TIME = pa.int32(), pa.string(), pa.date32(), pa.timestamp("us")


def _columns(text: str, kind: Callable[[str], pa.DataType]) -> pa.Schema:
    return pa.schema([(name, kind(name)) for name in text.split()])


def _kind(name: str) -> pa.DataType:
    """The type that the DDL gives to a column of this name."""
    if name.endswith("_datetime"):
        return _TIME
    if name.endswith("_date"):
        return _DATE
    is_number = name.endswith("_id") and name not in ("domain_id", "vocabulary_id", "concept_class_id")
    return _INTEGER if is_number or name.endswith("_of_birth") else _TEXT


SCHEMAS = {
    name: _columns(columns, _kind)
    for name, columns in {
        "PERSON": "person_id gender_concept_id year_of_birth month_of_birth day_of_birth birth_datetime "
        "race_concept_id ethnicity_concept_id location_id provider_id care_site_id person_source_value "
        "gender_source_value gender_source_concept_id race_source_value race_source_concept_id "
        "ethnicity_source_value ethnicity_source_concept_id",
        "VISIT_OCCURRENCE": "visit_occurrence_id person_id visit_concept_id visit_start_date visit_start_datetime "
        "visit_end_date visit_end_datetime visit_type_concept_id provider_id care_site_id visit_source_value "
        "visit_source_concept_id admitted_from_concept_id admitted_from_source_value discharged_to_concept_id "
        "discharged_to_source_value preceding_visit_occurrence_id",
        "CONDITION_OCCURRENCE": "condition_occurrence_id person_id condition_concept_id condition_start_date "
        "condition_start_datetime condition_end_date condition_end_datetime condition_type_concept_id "
        "condition_status_concept_id stop_reason provider_id visit_occurrence_id visit_detail_id "
        "condition_source_value condition_source_concept_id condition_status_source_value",
        "NOTE": "note_id person_id note_date note_datetime note_type_concept_id note_class_concept_id note_title "
        "note_text encoding_concept_id language_concept_id provider_id visit_occurrence_id visit_detail_id "
        "note_source_value note_event_id note_event_field_concept_id",
        "DEATH": "person_id death_date death_datetime death_type_concept_id cause_concept_id cause_source_value "
        "cause_source_concept_id",
        "CARE_SITE": "care_site_id care_site_name place_of_service_concept_id location_id care_site_source_value "
        "place_of_service_source_value",
        "CONCEPT": "concept_id concept_name domain_id vocabulary_id concept_class_id standard_concept concept_code "
        "valid_start_date valid_end_date invalid_reason",
    }.items()
}


class _Omop:
    def __init__(self, files: TableFiles) -> None:
        self.add = files.add
        self.concepts: dict[tuple[str, str], int] = {}
        self.care_sites: dict[str, int] = {}
        self.conditions = 0

    def concept(self, vocabulary: str, code: str, name: str, domain: str, kind: str) -> int:
        """The id of a concept, which is written when it is first used."""
        found = self.concepts.get((vocabulary, code))
        if found is None:
            found = self.concepts[vocabulary, code] = OWN_CONCEPTS + 1 + len(self.concepts)
            self.add(
                "CONCEPT", concept_id=found, concept_name=name, domain_id=domain, vocabulary_id=vocabulary,
                concept_class_id=kind, concept_code=code, valid_start_date=dt.date(1970, 1, 1),
                valid_end_date=dt.date(2099, 12, 31),
            )  # fmt: skip
        return found

    def care_site(self, unit: str, name: str) -> int:
        """The id of a care site, which is written when it is first used."""
        if unit not in self.care_sites:
            self.care_sites[unit] = len(self.care_sites) + 1
            self.add(
                "CARE_SITE", care_site_id=self.care_sites[unit], care_site_name=unit, place_of_service_concept_id=0,
                care_site_source_value=name,
            )  # fmt: skip
        return self.care_sites[unit]

    def patient(self, stays: list[Record]) -> None:
        stay = stays[-1].stay
        born = stay.born.replace(microsecond=0)
        self.add(
            "PERSON", person_id=stay.subject, gender_concept_id=SEXES[stay.sex], year_of_birth=born.year,
            month_of_birth=born.month, day_of_birth=born.day, birth_datetime=born, race_concept_id=0,
            ethnicity_concept_id=0, person_source_value=str(stay.subject), gender_source_value=stay.sex,
        )  # fmt: skip
        if stay.died:
            self.add(
                "DEATH", person_id=stay.subject, death_date=stay.discharged.date(), death_datetime=stay.discharged,
                death_type_concept_id=EHR,
            )  # fmt: skip

    def stay(self, record: Record) -> None:
        house, stay = record.house, record.stay
        self.add(
            "VISIT_OCCURRENCE", visit_occurrence_id=stay.hadm, person_id=stay.subject, visit_concept_id=INPATIENT,
            visit_start_date=stay.admitted.date(), visit_start_datetime=stay.admitted,
            visit_end_date=stay.discharged.date(), visit_end_datetime=stay.discharged, visit_type_concept_id=EHR,
            care_site_id=self.care_site(house.unit, house.name), visit_source_value=str(stay.hadm),
            discharged_to_concept_id=0, discharged_to_source_value="EXPIRED" if stay.died else "HOME",
        )  # fmt: skip
        for rank, diagnosis in enumerate(stay.diagnoses):
            self.conditions += 1
            code = icd9(diagnosis)
            self.add(
                "CONDITION_OCCURRENCE", condition_occurrence_id=self.conditions, person_id=stay.subject,
                condition_concept_id=0, condition_start_date=stay.admitted.date(),
                condition_start_datetime=stay.admitted, condition_type_concept_id=EHR,
                condition_status_concept_id=SECONDARY if rank else PRIMARY, visit_occurrence_id=stay.hadm,
                condition_source_value=code, condition_status_source_value=str(rank + 1),
                condition_source_concept_id=self.concept(
                    "ICD9CM", code, diagnosis.text, "Condition", f"{len(code.replace('.', ''))}-dig billing code"
                ),
            )  # fmt: skip

    def note(self, filed: Filed) -> bool:
        note = filed.note
        if note.error:
            return False
        code, display = LOINC[note.category]
        self.add(
            "NOTE", note_id=filed.number, person_id=filed.record.stay.subject, note_date=note.charted.date(),
            note_datetime=note.charted, note_type_concept_id=EHR_NOTE,
            note_class_concept_id=self.concept("LOINC", code, display, "Meas Value", "Doc Kind"),
            note_title=note.category, note_text=note.text, encoding_concept_id=UTF8, language_concept_id=ENGLISH,
            visit_occurrence_id=filed.encounter, note_source_value=note.category,
        )  # fmt: skip
        return True


def write_omop(
    found: Iterable[Record], folder: Path, packing: Packing, progress: Callable[[int], None] | None = None
) -> int:
    """Write ``found`` into ``folder``; returns the number of notes."""
    with contextlib.ExitStack() as stack:
        return walk(found, _Omop(TableFiles(folder, SCHEMAS, packing, stack)), progress)
