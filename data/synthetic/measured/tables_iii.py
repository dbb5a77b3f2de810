"""Writes made-up records with values as MIMIC-III's CSV tables: ``write_measured_iii``."""

from __future__ import annotations

import functools

from data.synthetic import tables_iii
from data.synthetic.csv_tables import Tables, write_tables
from data.synthetic.measured.items import ITEMS
from data.synthetic.measured.values import Draw, Measured

LABS = {
    "LABEVENTS": "ROW_ID SUBJECT_ID HADM_ID ITEMID CHARTTIME VALUE VALUENUM VALUEUOM FLAG",
    "D_LABITEMS": "ROW_ID ITEMID LABEL FLUID CATEGORY LOINC_CODE",
}
VITALS = {
    "CHARTEVENTS": "ROW_ID SUBJECT_ID HADM_ID ICUSTAY_ID ITEMID CHARTTIME STORETIME CGID VALUE VALUENUM VALUEUOM "
    "WARNING ERROR RESULTSTATUS STOPPED",
    "D_ITEMS": "ROW_ID ITEMID LABEL ABBREVIATION DBSOURCE LINKSTO CATEGORY UNITNAME PARAM_TYPE CONCEPTID",
}


def add_lab_items(tables: Tables) -> None:
    """Write the dictionary of laboratory tests."""
    for item in ITEMS.labs:
        tables.add_numbered("D_LABITEMS", item.id, item.label, item.fluid, item.category, item.loinc)


def add_vital_items(tables: Tables) -> None:
    """Write the dictionary of vital signs."""
    for item in ITEMS.vitals:
        kind = "Text" if item.words else "Numeric"
        tables.add_numbered(
            "D_ITEMS", item.id, item.label, item.short, "metavision", "chartevents", item.category, item.unit, kind, ""
        )


def add_labs(tables: Tables, record: Measured) -> None:
    """Write the laboratory values of a stay."""
    stay = record.stay
    for draw in record.labs:
        hadm = "" if draw.outside else stay.hadm
        text, number = as_written(draw, "ERROR")
        flag = "abnormal" if draw.abnormal else ""
        item = draw.item
        tables.add_numbered("LABEVENTS", stay.subject, hadm, item.id, draw.time, text, number, item.unit, flag)


def add_vitals(tables: Tables, record: Measured) -> None:
    """Write the vital signs of a stay; about one in a hundred is marked as an error."""
    stay = record.stay
    for draw in record.vitals:
        text, number = as_written(draw, "")
        item, words = draw.item, draw.item.words
        text = f"{text} {words[int(text) - 1]}" if words else text
        row = tables.number("CHARTEVENTS")
        error = int(row % 101 == 0)
        tables.add(
            "CHARTEVENTS", row, stay.subject, stay.hadm, 200_000 + stay.hadm, item.id, draw.time, draw.time, 20_001,
            text, -1 if error else number, item.unit, 0, error, "", "",
        )  # fmt: skip


def as_written(draw: Draw, without: str) -> tuple[str, str]:
    """A value as text and as number; ``without`` is the text where there is none."""
    if draw.value is None:
        return without, ""
    text = f"{draw.value:.{draw.item.decimals}f}"
    return (f"<{text}", "") if draw.less else (text, text)


def _begin(tables: Tables) -> None:
    add_lab_items(tables)
    add_vital_items(tables)


def _add_patient(tables: Tables, stays: list[Measured]) -> None:
    tables_iii.add_patient(tables, list(stays))


def _add_stay(tables: Tables, record: Measured) -> int:
    add_labs(tables, record)
    add_vitals(tables, record)
    return tables_iii.add_stay(tables, record)


write_measured_iii = functools.partial(
    write_tables, tables_iii.HEADERS | LABS | VITALS, _add_patient, _add_stay, begin=_begin
)
