"""Ids are compared by one rule wherever they are read or joined: a patient of two spellings is on one side."""

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from data import DataConfig, DataError, Hospital, load_hospital, load_hospitals
from data.ids import as_ids, same_ids, without_decimals

SAME = ["7", "7.0", " 7", "007", "+7", "7.", "7e0", "70E-1", "\u00a07.00\t"]
SPELLINGS: tuple[Callable[[int], str], ...] = (str, lambda i: f"{i}.0", lambda i: f" {i} ", lambda i: f"{i:06d}")


@pytest.mark.parametrize("chunked", [False, True])
def test_numbers_are_the_same_however_they_are_written(chunked: bool) -> None:
    def ids(*values: str) -> list[Any]:
        array = pa.array(values, pa.string())
        found = same_ids(pa.chunked_array([array.slice(0, 1), array.slice(1)]) if chunked else array)
        return list(found.to_pylist())

    assert ids(*SAME) == ["7"] * len(SAME)
    different = ["P7", "p7", "P 7", "7.5", "7a", "1e", "e5", "-7", "0", "", "7-1", "7.0.0", "15e-1", "0x7"]
    assert ids(*different) == different
    assert ids("000", "0.0", "-07.0", "1.5e1", "12345678901234567890.0") == [
        "0", "0", "-7", "15", "12345678901234567890",
    ]  # fmt: skip
    assert ids("1e16", "1.0E+16", "10000000000000000.0") == ["10000000000000000"] * 3  # as pandas and JSON write floats


def test_labels_keep_what_may_be_a_code() -> None:
    column = pa.array(["1.0", " 1 ", "001", "1e5", "0.5", "-1.0", "yes"], pa.string())
    assert without_decimals(column).to_pylist() == ["1", "1", "001", "1e5", "0.5", "-1", "yes"]


def test_ids_to_join_by_are_whole_numbers(tmp_path: Path) -> None:
    assert as_ids(pa.array([*SAME, ""], pa.string()), tmp_path, "hadm_id").tolist() == [*[7] * len(SAME), -1]
    for bad in ("H7", "7.5", "9" * 30):
        with pytest.raises(DataError, match=r"'hadm_id' holds no whole number on row 2, but a ") as error:
            as_ids(pa.array(["7.0", bad], pa.string()), tmp_path, "hadm_id")
        assert bad not in str(error.value)


def note(patient: int, kind: int) -> str:
    return f"Note {kind} of patient {patient}."


def sides(hospitals: Iterable[Hospital]) -> dict[int, set[tuple[int, str]]]:
    """Patient, as the notes' texts say, -> the sides that notes of his are on."""
    found: dict[int, set[tuple[int, str]]] = {}
    for number, hospital in enumerate(hospitals):
        for side in ("train", "test"):
            for row in getattr(hospital, side):
                patient = re.search(r"of patient (\d+)", row["text"])
                assert patient is not None
                found.setdefault(int(patient[1]), set()).add((number, side))
    return found


@pytest.mark.parametrize("end", ["csv", "csv.gz", "jsonl"])
@pytest.mark.parametrize("hospitals", [None, 2])
def test_a_patient_of_two_spellings_is_on_one_side(
    tmp_path: Path, write_csv: Callable[..., Path], end: str, hospitals: int | None
) -> None:
    rows = [(spell(i), note(i, k)) for i in range(1, 61) for k, spell in enumerate(SPELLINGS)]
    path = write_csv(["patient", "text"], rows)
    if end == "csv.gz":
        (tmp_path / "notes.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    if end == "jsonl":
        values = [(i, note(i, k), kind(i)) for i in range(1, 61) for k, kind in enumerate((int, float, str))]
        lines = [json.dumps({"patient": spelled, "text": text}) for _, text, spelled in values]
        (tmp_path / "notes.jsonl").write_text("\n".join(lines))
    path = tmp_path / f"notes.{end}"
    config = DataConfig(source=end.partition(".")[0], path=str(path), patient_column="patient", partition="even")
    found = [load_hospital(config)] if hospitals is None else load_hospitals(config, hospitals)
    assert all(len(side) == 1 for side in sides(found).values()) and len(sides(found)) == 60
    assert {row for h in found for row in [*h.train["patient_id"], *h.test["patient_id"]]} == set(
        map(str, range(1, 61))
    )


def respelled(source: Path, target: Path, tables: dict[str, int]) -> Path:
    """A copy of a release whose tables spell SUBJECT_ID and HADM_ID as ``tables`` says, others row by row."""
    for path in source.rglob("*.csv*"):
        read = gzip.open if path.suffix == ".gz" else open
        with read(path, "rt", newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file))
        stem = path.name.partition(".")[0].lower()
        for at, name in enumerate(header):
            if name.lower() in ("subject_id", "hadm_id"):
                for number, row in enumerate(rows):
                    if row[at]:
                        row[at] = SPELLINGS[tables.get(stem, number % len(SPELLINGS))](int(row[at]))
            if name.lower() in ("seq_num", "hospital_expire_flag", "iserror", "icd_version"):
                for row in rows:
                    row[at] = f"{row[at]}.0" if row[at] else ""
        with (target / f"{stem}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
    return target


def contents(hospitals: list[Hospital]) -> list[list[tuple[str, str, str, str]]]:
    parts = [part for hospital in hospitals for part in (hospital.train, hospital.test)]
    return [sorted((r["patient_id"], r["text"], r["label"], r["category"]) for r in part) for part in parts]


@pytest.mark.parametrize("label", ["", "mortality", "icd-chapter"])
@pytest.mark.parametrize("source", ["mimic-iii", "mimic-iv"])
def test_a_release_comes_back_the_same_however_its_ids_are_spelled(
    tmp_path: Path, mimic_iii: Path, mimic_iv: Path, source: str, label: str
) -> None:
    plain = {"mimic-iii": mimic_iii, "mimic-iv": mimic_iv}[source]
    options: dict[str, Any] = {"source": source, "min_patients": 2}
    if label:
        options |= {"task": "label", "label": label, "keep_discharge_summaries": True, "note_hours": 1e6}
    wanted = load_hospitals(DataConfig(path=str(plain), **options), 3)
    for number, tables in enumerate(({}, {"noteevents": 0, "discharge": 0}, {"admissions": 0, "icustays": 2})):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = load_hospitals(DataConfig(path=str(respelled(plain, folder, tables)), **options), 3)
        assert [h.name for h in found] == [h.name for h in wanted]
        assert contents(found) == contents(wanted)
    if label:
        assert all(row["label"] for h in wanted for row in h.train)


def test_labels_and_sites_of_two_spellings_are_one(write_csv: Callable[..., Path]) -> None:
    rows = [[i, note(i, 0), ("1", "1.0", "0", "0.0", " 0")[i % 5], ("3", "3.0", "4")[i % 3]] for i in range(60)]
    path = write_csv(["patient", "text", "label", "ward"], rows)
    config = DataConfig(
        source="csv", path=str(path), patient_column="patient", site_column="ward", task="label", label="label"
    )
    found = load_hospitals(config, 2)
    assert {h.name for h in found} == {"3", "4"} and found[0].labels == ("0", "1")
    alone = load_hospital(DataConfig(**{**vars(config), "labels": "0.0, 1.0,1"}))
    assert alone.labels == ("0", "1") and len(alone.train) + len(alone.test) == 60
