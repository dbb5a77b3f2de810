"""Made-up values: they follow what they should, in MIMIC's columns, and leave everything else as it was."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from data.synthetic.measured.factors import Factors, dies, usable
from data.synthetic.measured.items import ITEMS
from data.synthetic.measured.tables_iii import write_measured_iii
from data.synthetic.measured.tables_iv import write_measured_iv
from data.synthetic.measured.values import Measured, with_values
from data.synthetic.tables import Record, records

PUBLISHED = {
    "LABEVENTS": "ROW_ID SUBJECT_ID HADM_ID ITEMID CHARTTIME VALUE VALUENUM VALUEUOM FLAG",
    "D_LABITEMS": "ROW_ID ITEMID LABEL FLUID CATEGORY LOINC_CODE",
    "CHARTEVENTS": "ROW_ID SUBJECT_ID HADM_ID ICUSTAY_ID ITEMID CHARTTIME STORETIME CGID VALUE VALUENUM VALUEUOM "
    "WARNING ERROR RESULTSTATUS STOPPED",
    "D_ITEMS": "ROW_ID ITEMID LABEL ABBREVIATION DBSOURCE LINKSTO CATEGORY UNITNAME PARAM_TYPE CONCEPTID",
    "hosp/labevents": "labevent_id subject_id hadm_id specimen_id itemid order_provider_id charttime storetime value "
    "valuenum valueuom ref_range_lower ref_range_upper flag priority comments",
    "hosp/d_labitems": "itemid label fluid category",
    "icu/chartevents": "subject_id hadm_id stay_id caregiver_id charttime storetime itemid value valuenum valueuom "
    "warning",
    "icu/d_items": "itemid label abbreviation linksto category unitname param_type lownormalvalue highnormalvalue",
}
"""Columns of the releases, from their documentation."""


@pytest.fixture(scope="module")
def plain() -> list[Record]:
    return list(records(150, 2, 3))


@pytest.fixture(scope="module")
def measured(plain: list[Record]) -> list[Measured]:
    return list(with_values(plain, 3))


def test_notes_and_patients_stay_as_they_are(plain: list[Record], measured: list[Measured]) -> None:
    for before, after in zip(plain, measured, strict=True):
        assert dataclasses.replace(after.stay, died=before.stay.died) == before.stay
        for one, other in zip(before.notes, after.notes, strict=True):
            head, line = other.text.rsplit("\n", 1)
            assert head == one.text and line.lower().startswith("condition: ")
    last = {one.stay.subject: one for one in measured}
    assert not any(one.stay.died for one in measured if one is not last[one.stay.subject])


def test_the_same_seed_makes_the_same_values_with_or_without_the_others(
    plain: list[Record], measured: list[Measured]
) -> None:
    labs = list(with_values(plain[:20], 3, vitals=False))
    assert [one.labs for one in labs] == [one.labs for one in measured[:20]] and not any(one.vitals for one in labs)
    assert [one.stay for one in labs] == [one.stay for one in measured[:20]]
    assert [one.labs for one in with_values(plain[:20], 4)] != [one.labs for one in labs]


def test_no_side_decides_alone_who_dies() -> None:
    """The chances alone, with factors drawn: what a perfect reading of each side could reach."""
    rng = random.Random(0)
    found = [Factors(*(rng.gauss(0, 1) for _ in range(5))) for _ in range(5000)]
    died = np.array([dies(one, rng) for one in found])
    sides = {"notes": (0.74, 0.86), "labs": (0.74, 0.86), "vitals": (0.65, 0.77), "log_odds": (0.95, 1.0)}
    areas = {name: roc_auc_score(died, [getattr(one, name) for one in found]) for name in sides}
    assert all(low < areas[name] < high for name, (low, high) in sides.items()), areas
    assert 0.1 < died.mean() < 0.3
    both = np.array([(one.notes, one.labs) for one in found])
    product = np.maximum(both, 0).prod(axis=1, keepdims=True)
    weight = LogisticRegression(C=100).fit(np.hstack([both, product]), died).coef_[0][2]
    assert weight > 0.8, "ill by notes and by values is worse than the sum of both"


def test_values_and_the_last_line_follow_the_factors(measured: list[Measured]) -> None:
    lactate = next(item for item in ITEMS.labs if item.label == "Lactate")
    pairs = [(one.factors.perfusion, draw.value) for one in measured for draw in one.labs if draw.item is lactate]
    levels, values = np.array([pair for pair in pairs if pair[1] is not None], float).T
    assert np.corrcoef(levels, np.log(np.maximum(values, 0.1)))[0, 1] > 0.7
    told = {"good": 0, "fair": 1, "guarded": 2, "critical": 3}
    said = [
        (one.factors.notes, told[one.notes[at].text.rsplit(" ", 1)[1].strip(".").lower()])
        for one in measured
        for at in usable(one)
    ]
    assert np.corrcoef(np.array(said).T)[0, 1] > 0.8
    draws = [draw for one in measured for draw in (*one.labs, *one.vitals)]
    assert any(draw.value is None for draw in draws) and any(draw.less for draw in draws)
    assert any(draw.outside for draw in draws) and 0.1 < np.mean([draw.abnormal for draw in draws]) < 0.7
    assert all(list(one.labs) == sorted(one.labs, key=lambda draw: draw.time) for one in measured)
    assert 0.4 < np.mean([any(draw.item is lactate for draw in one.labs) for one in measured]) < 0.95


def test_tables_have_the_columns_that_mimic_publishes(measured: list[Measured], tmp_path: Path) -> None:
    write_measured_iii(measured[:12], tmp_path / "iii")
    write_measured_iv(measured[:12], tmp_path / "iv", compress=False)
    for name, columns in PUBLISHED.items():
        folder = tmp_path / ("iv" if "/" in name else "iii")
        with (folder / f"{name}.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
            assert header == columns.split() and rows and all(len(row) == len(header) for row in rows), name
    assert (tmp_path / "iii" / "NOTEEVENTS.csv").exists() and (tmp_path / "iv" / "hosp" / "admissions.csv").exists()
    with (tmp_path / "iii" / "CHARTEVENTS.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert any(row["ERROR"] == "1" for row in found) and any(row["VALUE"].startswith("4 Spont") for row in found)


def test_values_are_the_same_as_ever(measured: list[Measured], tmp_path: Path) -> None:
    """Measured figures of joint models were made with these: change them knowingly."""
    write_measured_iii(measured[:12], tmp_path)
    text = b"".join((tmp_path / f"{name}.csv").read_bytes() for name in ("LABEVENTS", "CHARTEVENTS", "ADMISSIONS"))
    assert hashlib.blake2b(text, digest_size=16).hexdigest() == "d88daaabda65aee0fb7cf42cf5391f0a"
