"""OMOP tables as sites export them: in any case and format, with columns missing, with and without vocabularies."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossward.config.data_settings import DataConfig
from data.errors import DataError
from data.readers import Counts
from data.readers import omop_labels as labels_of
from data.readers.omop import read_omop

NOTE = ("note_id", "person_id", "note_date", "note_text", "visit_occurrence_id")
VISIT = ("visit_occurrence_id", "person_id", "visit_start_date", "visit_start_datetime", "visit_end_date")
CONDITION = (
    "condition_occurrence_id",
    "visit_occurrence_id",
    "condition_status_concept_id",
    "condition_source_value",
    "condition_source_concept_id",
    "condition_concept_id",
)
CONCEPT = ("concept_id", "vocabulary_id", "concept_code")


def table(folder: Path, name: str, columns: Sequence[str], *rows: Sequence[Any]) -> Path:
    with (folder / f"{name}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return folder


def read(folder: Path, **settings: Any) -> tuple[dict[str, dict[str, str]], Counts]:
    counts = Counts()
    pieces = read_omop(folder, DataConfig(source="omop", path=str(folder), **settings), counts)
    return {row.pop("note_id"): row for piece in pieces for row in piece.to_pylist()}, counts


def notes(folder: Path, visits: Sequence[int]) -> Path:
    return table(folder, "NOTE", NOTE, *((v, 10 + v, "2020-01-02", "was well", v) for v in visits))


def labels(folder: Path, label: str, **settings: Any) -> dict[str, str]:
    return {name: row["label"] for name, row in read(folder, task="label", label=label, **settings)[0].items()}


def test_parquet_of_another_programs_types_reads_as_csv_does(tmp_path: Path) -> None:
    """Ids as floats, as pandas writes them beside missing ones; dates as timestamps; upper-case columns."""
    columns = {
        "NOTE_ID": pa.array([1.0, 2.0]),
        "PERSON_ID": pa.array([11, 12], pa.int64()),
        "NOTE_DATETIME": pa.array(["2020-01-02T03:04:05", None]).cast(pa.timestamp("ns")),
        "NOTE_DATE": pa.array(["2020-01-02", "2020-01-03"]).cast(pa.date32()),
        "NOTE_TEXT": pa.array(["was well", "was better"]).dictionary_encode(),
        "VISIT_OCCURRENCE_ID": pa.array([7.0, None]),
        "NOTE_TITLE": pa.array(["Progress note", None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "note.parquet")
    table(tmp_path, "visit_occurrence", ("visit_occurrence_id", "care_site_id"), (7, 3))
    found, counts = read(tmp_path)
    assert counts["read"] == 2 and list(found) == ["1", "2"]
    one, two = found.values()
    assert (one["patient_id"], one["encounter_id"], one["category"]) == ("11", "7", "Progress note")
    assert one["time"].replace("T", " ")[:19] == "2020-01-02 03:04:05" and two["time"] == "2020-01-03"
    assert (one["site"], two["site"], two["encounter_id"], two["category"]) == ("3", "", "", "")


def test_a_category_is_the_loinc_code_of_its_class_if_the_vocabulary_is_there(tmp_path: Path) -> None:
    columns = (*NOTE, "note_class_concept_id", "note_title", "note_source_value")
    rows = [(1, 11, "2020-01-02", "a", 1, 5, "A title", "own"), (2, 12, "2020-01-02", "b", 1, 0, "A title", "")]
    table(tmp_path, "note", columns, *rows)
    table(tmp_path, "visit_occurrence", VISIT)
    assert [row["category"] for row in read(tmp_path)[0].values()] == ["own", "A title"]
    table(tmp_path, "CONCEPT", CONCEPT, (5, "LOINC", "18842-5"), (0, "None", "No matching concept"))
    assert [row["category"] for row in read(tmp_path)[0].values()] == ["loinc:18842-5", "A title"]


def test_who_died_in_a_visit_did_so_by_its_discharge_or_by_day(tmp_path: Path) -> None:
    notes(tmp_path, range(1, 7))
    days = ("2020-01-01", "2020-01-01 08:00:00", "2020-01-05")
    left = ["", "Expired ", "home", "", "20", ""]
    rows = [(v, 10 + v, *days, left[v - 1]) for v in range(1, 7)]
    table(tmp_path, "VISIT_OCCURRENCE", (*VISIT, "discharged_to_source_value"), *rows)
    table(
        tmp_path, "DEATH", ("person_id", "death_date"),
        (11, "2020-01-05"), (13, "2020-01-06"), (14, "2020-01-01 00:00:00"), (16, "2019-12-31"),
    )  # fmt: skip
    assert labels(tmp_path, "mortality") == {
        "1": "died", "2": "died", "3": "survived", "4": "died", "5": "died", "6": "survived",
    }  # fmt: skip


def test_nobody_is_taken_to_survive_where_no_table_says_who_died(tmp_path: Path) -> None:
    notes(tmp_path, [1])
    table(tmp_path, "VISIT_OCCURRENCE", VISIT, (1, 11, "2020-01-01", "", "2020-01-05"))
    with pytest.raises(DataError, match="needs DEATH or VISIT_OCCURRENCE's discharged_to_source_value, and there is n"):
        labels(tmp_path, "mortality")


@pytest.mark.parametrize("most", [400_000, 1])
def test_a_condition_is_the_primary_one_in_the_code_that_is_known(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels_of, "_MOST", most)  # of rows that are held at once
    notes(tmp_path, range(1, 6))
    table(tmp_path, "VISIT_OCCURRENCE", VISIT)
    table(
        tmp_path, "CONDITION_OCCURRENCE", CONDITION,
        (5, 1, 32908, "J18.9", 0, 0), (6, 1, 32902, "own-1", 101, 9), (4, 1, 32901, "x", 0, 0),
        (8, 2, 0, "410.71", 0, 201), (7, 2, "", "486", 0, 0),
        (9, 3, 0, "", 0, 201), (10, 4, 0, "own-2", 102, 201), (1, "", 32902, "A41.9", 0, 0),
    )  # fmt: skip
    table(
        tmp_path, "CONCEPT", CONCEPT,
        (101, "ICD10CM", "I21.4"), (102, "CVX", "140"), (201, "SNOMED", "22298006"), (999, "SNOMED", "1"),
    )  # fmt: skip
    assert labels(tmp_path, "icd-chapter") == {
        "1": "icd10:I21.4", "2": "486", "3": "snomed:22298006", "4": "snomed:22298006", "5": "",
    }  # fmt: skip


def test_early_notes_are_counted_from_the_visits_beginning(tmp_path: Path) -> None:
    columns = ("note_id", "person_id", "note_date", "note_datetime", "note_text", "visit_occurrence_id")
    table(
        tmp_path, "NOTE", columns,
        (1, 11, "2020-01-01", "2020-01-01 10:00:00", "a", 1), (2, 11, "2020-01-02", "2020-01-02 10:00:00", "b", 1),
        (3, 11, "2020-01-01", "2020-01-01 10:00:00", "c", ""),
    )  # fmt: skip
    table(tmp_path, "VISIT_OCCURRENCE", VISIT, (1, 11, "2020-01-01", "2020-01-01 08:00:00", "2020-01-05"))
    table(tmp_path, "DEATH", ("person_id", "death_date"))
    found, counts = read(tmp_path, task="label", label="mortality", note_hours=3.0)
    assert list(found) == ["1"] and counts["charted too late"] == 2


def test_a_site_may_be_any_column_of_note_visit_or_person(tmp_path: Path) -> None:
    notes(tmp_path, [1])
    table(tmp_path, "VISIT_OCCURRENCE", (*VISIT, "care_site_id"), (1, 11, "2020-01-01", "", "2020-01-05", 3))
    table(tmp_path, "CARE_SITE", ("care_site_id", "care_site_name"), (3, "Ward 7"))
    table(tmp_path, "PERSON", ("person_id", "year_of_birth"), (11, 1950))
    columns = {"": "Ward 7", "note_date": "2020-01-02", "care_site_id": "3", "YEAR_OF_BIRTH": "1950"}
    assert {c: read(tmp_path, site_column=c)[0]["1"]["site"] for c in columns} == columns
    with pytest.raises(DataError, match="'ward' is a column of none of NOTE, VISIT_OCCURRENCE and PERSON"):
        read(tmp_path, site_column="ward")


def test_a_row_that_cannot_be_read_is_quarantined_with_its_line(tmp_path: Path) -> None:
    rows = [f'{i},{10 + i},2020-01-02,"was\nwell",1' for i in range(30)]
    rows[3] = "3,13,was well"
    (tmp_path / "NOTE.csv").write_text("\n".join([",".join(NOTE), *rows]))
    table(tmp_path, "VISIT_OCCURRENCE", VISIT)
    found, counts = read(tmp_path)
    assert len(found) == 29 and counts["read"] == 30 and [row.line for row in counts.quarantined] == [8]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no NOTE.csv, NOTE.csv.gz or NOTE.parquet \(it holds nothing\)"):
        read(tmp_path)
    (tmp_path / "NOTE.csv.gz.part").write_bytes(b"")
    with pytest.raises(DataError, match=r"NOTE\.csv\.gz\.part is a download that was not finished"):
        read(tmp_path)
    (tmp_path / "note.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"note\.parquet: is no whole Parquet file"):
        read(tmp_path)
    (tmp_path / "note.parquet").unlink()
    table(tmp_path, "cdm.note_202601311200", ("note_id", "person_id"), (1, 1))
    with pytest.raises(DataError, match=r"cdm\.note_202601311200\.csv: has no column 'note_text'"):
        read(tmp_path)
