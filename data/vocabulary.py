"""Words that are public whatever file they stand in: columns, note types and care units of MIMIC, common column names.

A message may repeat a word of this list although it was read from a hospital's file (``data.quoting``). All are lower
case. Not for: labels, which are in ``data.labels``.
"""

from __future__ import annotations

from crossward.config.harmonising import CATEGORIES
from data.labels import CHAPTERS, OUTCOMES

_COLUMNS = """
row_id subject_id hadm_id icustay_id chartdate charttime storetime category description cgid iserror text note_id
note_type note_seq admittime dischtime deathtime admission_type admission_location discharge_location insurance language
religion marital_status ethnicity race edregtime edouttime diagnosis hospital_expire_flag has_chartevents_data seq_num
icd9_code icd10_code icd_code icd_version gender sex dob dod dod_hosp dod_ssn expire_flag anchor_age anchor_year
anchor_year_group first_careunit last_careunit first_wardid last_wardid intime outtime los prev_service curr_service
transfertime stay_id dbsource admit_provider_id
id note notes note_text body content document report message transcription summary title date time timestamp author
patient patient_id patientid patient_no mrn person person_id subject case case_id visit visit_id encounter encounter_id
admission admission_id stay age ward unit site hospital department service specialty type kind label labels class target
outcome result mortality died death readmission code
"""
# of the tables of the OMOP Common Data Model 5.4 that are read
_OMOP = """
gender_concept_id year_of_birth month_of_birth day_of_birth birth_datetime race_concept_id ethnicity_concept_id
location_id provider_id care_site_id care_site_name person_source_value visit_occurrence_id visit_concept_id
visit_start_date visit_start_datetime visit_end_date visit_end_datetime visit_type_concept_id visit_source_value
visit_source_concept_id discharged_to_concept_id discharged_to_source_value preceding_visit_occurrence_id
condition_occurrence_id condition_concept_id condition_start_date condition_start_datetime condition_type_concept_id
condition_status_concept_id condition_source_value condition_source_concept_id condition_status_source_value note_date
note_datetime note_type_concept_id note_class_concept_id note_title note_source_value encoding_concept_id
language_concept_id visit_detail_id note_event_id note_event_field_concept_id death_date death_datetime
death_type_concept_id cause_concept_id concept_id concept_name domain_id vocabulary_id concept_class_id
standard_concept concept_code
"""
NOTE_TYPES = (
    "discharge summary",
    "physician",
    "nursing",
    "nursing/other",
    "radiology",
    "ecg",
    "echo",
    "respiratory",
    "rehab services",
    "nutrition",
    "social work",
    "case management",
    "general",
    "consult",
    "pharmacy",
)
_UNITS = """
micu sicu ccu csru cvicu tsicu nicu nsicu nward onc renal psych med surg csurg nsurg tsurg vsurg cmed nmed omed obs gyn
orth ent gu rmed psurg traum dent eye nb nbb er
"""
_UNITS_OF_SEVERAL_WORDS = (
    "medical intensive care unit (micu)",
    "medical/surgical intensive care unit (micu/sicu)",
    "surgical intensive care unit (sicu)",
    "trauma sicu (tsicu)",
    "coronary care unit (ccu)",
    "cardiac vascular intensive care unit (cvicu)",
    "neuro intermediate",
    "neuro stepdown",
    "neuro surgical intensive care unit (neuro sicu)",
    "intensive care unit (icu)",
)
_YEARS = ("2008 - 2010", "2011 - 2013", "2014 - 2016", "2017 - 2019", "2020 - 2022")

PUBLIC = frozenset(
    {
        *_COLUMNS.split(),
        *_OMOP.split(),
        *_UNITS.split(),
        *NOTE_TYPES,
        *CATEGORIES,
        *_UNITS_OF_SEVERAL_WORDS,
        *_YEARS,
        *OUTCOMES,
        *CHAPTERS,
    }
)
