"""Nothing that stands in one person's row, or in place of a header, is repeated by an error, a log line or a name.

A secret is planted in any field of any file of any source, the file is damaged or not, and the notes are read and made
tokens under settings that are right or name the wrong column. Whatever happens, the secret is in none of it.
"""

import csv
import gzip
import io
import json
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import DataConfig, DataError, load_hospital, load_hospitals, tokenise
from data.quoting import SHARED, columns, is_quotable, listed, no_text_of_others, quoted

Tables = dict[str, list[list[str]]]
SECRETS = (
    "Quxilby",
    "Mrs Quxilby, born 1.1.1950, lives in Elm Street 7",
    "7712345689",
    "+49 171 7712345689",
    "quxilby@example.org",
    'Quxilby\nhas, as she "says", a pain ' * 30,
)
TRACES = ("quxilby", "7712345689", "elm street")


def _flat() -> Tables:
    rows = [[f"p{i}", f"Note {i}: the heart is well.", "yes" if i % 2 else "no", "AB"[i % 2]] for i in range(24)]
    return {"notes.csv": [["patient", "text", "outcome", "ward"], *rows]}


def _mimic_iii() -> Tables:
    notes, stays, admissions, diagnoses = [], [], [], []
    for i in range(1, 13):
        time = f"2150-01-{i:02d} 08:00:00"
        notes.append([str(i), str(i), str(100 + i), time[:10], time, "Nursing", "", f"Note {i}: the heart is well."])
        stays.append([str(i), str(100 + i), "MICU" if i % 2 else "CCU", time])
        admissions.append([str(i), str(100 + i), time, str(i % 2)])
        diagnoses.append([str(i), str(100 + i), "1", "4280" if i % 2 else "0389"])
    names = ["row_id", "subject_id", "hadm_id", "chartdate", "charttime", "category", "iserror", "text"]
    return {
        "NOTEEVENTS.csv": [names, *notes],
        "ICUSTAYS.csv": [["subject_id", "hadm_id", "first_careunit", "intime"], *stays],
        "ADMISSIONS.csv": [["subject_id", "hadm_id", "admittime", "hospital_expire_flag"], *admissions],
        "DIAGNOSES_ICD.csv": [["subject_id", "hadm_id", "seq_num", "icd9_code"], *diagnoses],
    }


def _mimic_iv() -> Tables:
    old = _mimic_iii()
    discharge = [[f"{r[1]}-DS-1", r[1], r[2], r[4], r[7]] for r in old["NOTEEVENTS.csv"][1:]]
    years = [[str(i), "2008 - 2010" if i % 2 else "2011 - 2013"] for i in range(1, 13)]
    diagnoses = [[*r, "9"] for r in old["DIAGNOSES_ICD.csv"][1:]]
    return {
        "discharge.csv": [["note_id", "subject_id", "hadm_id", "charttime", "text"], *discharge],
        "patients.csv": [["subject_id", "anchor_year_group"], *years],
        "admissions.csv": old["ADMISSIONS.csv"],
        "diagnoses_icd.csv": [["subject_id", "hadm_id", "seq_num", "icd_code", "icd_version"], *diagnoses],
    }


SOURCES = {"csv": _flat, "jsonl": _flat, "mimic-iii": _mimic_iii, "mimic-iv": _mimic_iv}
CONFIGS: dict[str, list[dict[str, Any]]] = {
    "flat": [
        {},
        {"text_column": "body"},
        {"text_column": "outcome", "patient_column": ""},
        {"task": "label", "label": "outcome"},
        {"task": "label", "label": "text"},
        {"task": "label", "label": "ward", "labels": "a, b"},
        {"task": "label", "label": "outcome", "labels": "yes, no"},
        {"site_column": "ward"},
        {"site_column": "text"},
        {"site_column": "patient", "note_types": "x"},
        {"site_column": "ward", "min_patients": 20},
        {"site_column": "text", "partition": "dirichlet"},
    ],
    "mimic": [
        {},
        {"site_column": "subject_id"},
        {"site_column": "region"},
        {"site_column": "charttime", "note_types": "x"},
        {"site_column": "admittime"},
        {"task": "label", "keep_discharge_summaries": True},
        {"task": "label", "keep_discharge_summaries": True, "note_hours": 24.0},
        {"task": "label", "label": "icd-chapter"},
        {"partition": "dirichlet", "site_column": "text"},
    ],
}
DAMAGES = ("none", "no header", "cut", "a field more", "a wrong byte", "an open quote", "a wrong delimiter")


def _written(rows: list[list[str]], source: str, damage: str, secret: str, at: tuple[int, int]) -> bytes:
    """The file of a table, in which field ``at`` is the secret, damaged there or as a whole."""
    rows = [list(row) for row in rows]
    rows[at[0]][at[1]] = secret
    if damage == "a field more":
        rows[at[0]] += [secret]
    if damage == "no header":
        rows = rows[1:]
    if source == "jsonl":
        names = [f"column{i}" for i in range(4)] if damage == "no header" else rows.pop(0)
        names = [*names, "more"]
        text = "".join(json.dumps(dict(zip(names, row, strict=False))) + "\n" for row in rows)
        text = text.replace('"}', '"', 1) if damage == "an open quote" else text
    else:
        file = io.StringIO()
        csv.writer(file, delimiter=";" if damage == "a wrong delimiter" else ",").writerows(rows)
        text = file.getvalue()
        if damage == "an open quote":
            text += f'"{secret}'
    content = text.encode()
    found = content.find(b"uxilby")
    if damage == "cut":
        content = content[: found + 3] if found >= 0 else content[: len(content) // 2]
    if damage == "a wrong byte":
        content = content.replace(b"uxilby", b"uxilby\xff", 1) if found >= 0 else content + b"\xff"
    return content


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@given(
    source=st.sampled_from(sorted(SOURCES)),
    damage=st.sampled_from(DAMAGES),
    secret=st.sampled_from(SECRETS),
    hospitals=st.sampled_from([None, 2]),
    compressed=st.booleans(),
    where=st.data(),
)
@settings(
    deadline=None,
    derandomize=True,
    max_examples=250,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_planted_secret_is_repeated_nowhere(
    tmp_path_factory: pytest.TempPathFactory,
    log: pytest.LogCaptureFixture,
    make_tokenizer: Any,
    source: str,
    damage: str,
    secret: str,
    hospitals: int | None,
    compressed: bool,
    where: st.DataObject,
) -> None:
    tables = SOURCES[source]()
    flat = source in ("csv", "jsonl")
    name = where.draw(st.sampled_from(sorted(tables)))
    row = where.draw(st.sampled_from([0, 1, 2, len(tables[name]) - 1]))
    column = where.draw(st.integers(0, len(tables[name][0]) - 1))
    more = where.draw(st.sampled_from(CONFIGS["flat" if flat else "mimic"]))
    folder = tmp_path_factory.mktemp("notes")
    end = ".gz" if compressed else ""
    for file, rows in tables.items():
        here = file.replace(".csv", f".{source}") if flat else file
        given = (damage, secret, (row, column)) if file == name else ("none", rows[0][0], (0, 0))
        content = _written(rows, source, *given)
        (folder / f"{here}{end}").write_bytes(gzip.compress(content, 1) if compressed else content)
    path = folder / f"notes.{source}{end}" if flat else folder
    log.clear()
    shown = ""
    try:
        options = {"patient_column": "patient", "min_patients": 2} if flat else {"min_patients": 2}
        config = DataConfig(source=source, path=str(path), **{**options, **more})
        found = [load_hospital(config)] if hospitals is None else load_hospitals(config, hospitals)
        shown += " ".join(hospital.name for hospital in found)
        for hospital in found:
            tokenise(hospital.train, make_tokenizer(), config, hospital.labels or ("yes", "no"))
    except DataError as error:
        shown += "".join(traceback.format_exception(error)) + repr(error)
    shown += log.text
    assert "notes" in shown
    for trace in TRACES:
        assert trace not in shown.lower(), shown


def test_a_file_without_a_header_is_named_by_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("".join(f'{i},stable,"The patient {i} is well."\n' for i in range(9)))
    with pytest.raises(DataError) as error:
        load_hospital(DataConfig(source="csv", path=str(path), patient_column="patient"))
    assert str(error.value) == (
        f"{path}: has no column 'text', 'patient'; in place of names of columns there are 3 fields (3 not shown, of up "
        "to 22 characters). A line of column names was expected: does the file have one? Rename them, or set "
        "data.*-column to what they are."
    )


def test_what_several_patients_share_or_the_settings_name_is_repeated() -> None:
    assert not is_quotable("maybe") and not is_quotable("maybe", SHARED - 1) and is_quotable("maybe", SHARED)
    assert is_quotable("maybe", known=["Maybe "]) and is_quotable("Discharge summary") and is_quotable("SUBJECT_ID")
    assert not is_quotable("x" * 41, 1000) and not is_quotable("two\nlines", 1000)
    assert quoted(" ") == "(empty)" and quoted("12345") == "(a text of 5 characters, not shown)"
    assert listed({"": 1, "no": 9, "a secret": 1, "b": 2}) == "(empty), no, 2 not shown, of up to 8 characters"
    assert listed([str(i) for i in range(20)], known=map(str, range(20)), most=3) == "0, 1, 2, 17 more"
    assert columns(["Text", "", "12"]) == "3 fields (Text, 1 not shown, of up to 2 characters)"


def test_an_error_of_another_package_keeps_its_class_and_loses_its_text(tmp_path: Path) -> None:
    withheld = r"reading: KeyError in tests/data/test_quoting.py, line \d+\. Its own text is withheld"
    with pytest.raises(DataError, match=withheld) as error, no_text_of_others("reading"):
        raise KeyError("Quxilby")
    assert "Quxilby" not in "".join(traceback.format_exception(error.value))
    with pytest.raises(DataError, match=r"^reading: No such file or directory\.$"), no_text_of_others("reading"):
        (tmp_path / "Quxilby").read_text()
    with pytest.raises(MemoryError), no_text_of_others("reading"):
        raise MemoryError
