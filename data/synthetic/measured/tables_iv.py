"""Writes made-up records with values as MIMIC-IV's CSV tables: ``write_measured_iv``."""

from __future__ import annotations

import functools

from data.synthetic import tables_iv
from data.synthetic.csv_tables import Tables, write_tables
from data.synthetic.measured.items import ITEMS
from data.synthetic.measured.tables_iii import as_written
from data.synthetic.measured.values import Measured

HEADERS = {
    "hosp/labevents": "labevent_id subject_id hadm_id specimen_id itemid order_provider_id charttime storetime value "
    "valuenum valueuom ref_range_lower ref_range_upper flag priority comments",
    "hosp/d_labitems": "itemid label fluid category",
    "icu/chartevents": "subject_id hadm_id stay_id caregiver_id charttime storetime itemid value valuenum valueuom "
    "warning",
    "icu/d_items": "itemid label abbreviation linksto category unitname param_type lownormalvalue highnormalvalue",
}


def _begin(tables: Tables) -> None:
    for item in ITEMS.labs:
        tables.add("hosp/d_labitems", item.id, item.label, item.fluid, item.category)
    for item in ITEMS.vitals:
        kind = "Text" if item.words else "Numeric"
        tables.add(
            "icu/d_items", item.id, item.label, item.short, "chartevents", item.category, item.unit, kind, *item.normal
        )


def _add_patient(tables: Tables, stays: list[Measured]) -> None:
    tables_iv.add_patient(tables, list(stays))


def _add_stay(tables: Tables, record: Measured) -> int:
    stay = record.stay
    for draw in record.labs:
        row = tables.number("hosp/labevents")
        text, number = as_written(draw, "___")
        item, hadm, flag = draw.item, "" if draw.outside else stay.hadm, "abnormal" if draw.abnormal else ""
        tables.add(
            "hosp/labevents", row, stay.subject, hadm, 50_000_000 + row, item.id, "", draw.time, draw.time, text,
            number, item.unit, *item.normal, flag, "ROUTINE", "",
        )  # fmt: skip
    for draw in record.vitals:
        text, number = as_written(draw, "")
        item, words = draw.item, draw.item.words
        tables.add(
            "icu/chartevents", stay.subject, stay.hadm, 30_000_000 + stay.hadm, "", draw.time, draw.time, item.id,
            words[int(text) - 1] if words else text, number, item.unit, 0,
        )  # fmt: skip
    return tables_iv.add_stay(tables, record)


write_measured_iv = functools.partial(write_tables, tables_iv.HEADERS | HEADERS, _add_patient, _add_stay, begin=_begin)
