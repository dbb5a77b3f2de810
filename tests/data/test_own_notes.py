"""Notes as a hospital's notes.toml describes them: its columns, and nothing of them from the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from data import DataConfig, DataError, load_hospital
from data.check import check_notes
from data.own_notes import share_of

NOTES = """
source = "csv"
path = "letters.csv"
[columns]
text = "letter"
patient = "case_no"
category = "kind_of_letter"
time = "written"
site = "ward"
[categories]
Entlassbrief = "discharge summary"
Pflege = "nursing"
[labels]
readmitted = "readm30"
"""


@pytest.fixture
def folder(tmp_path: Path, write_csv: Callable[..., Path]) -> Path:
    """A table with its own columns, and what describes it."""
    kinds = ("Entlassbrief", "Pflege", "Sonstiges")
    rows = [
        [f"{i:03d}", f"patient {i} was well {k}", kinds[k], "2019-05-04", "W1", "yes" if i % 2 else "no"]
        for i in range(9)
        for k in range(3)
    ]
    write_csv(["case_no", "letter", "kind_of_letter", "written", "ward", "readm30"], rows, "letters.csv")
    (tmp_path / "notes.toml").write_text(NOTES)
    return tmp_path


def of(folder: Path, **more: object) -> DataConfig:
    return DataConfig(source="own", path=str(folder), **more)  # type: ignore[arg-type]


def test_columns_are_the_hospitals(folder: Path) -> None:
    found = load_hospital(of(folder, text_column="nothing", patient_column="neither"))
    assert len(found.train) + len(found.test) == 27 and found.name == "letters"
    assert {*found.train["patient_id"], *found.test["patient_id"]} == {str(i) for i in range(9)}
    assert set(found.train["time"]) == {"2019-05-04"} and set(found.train["kind"]) >= {"nursing", "discharge summary"}
    assert "Entlassbrief" in found.train["category"]


def test_a_notes_toml_may_be_named_itself(folder: Path) -> None:
    assert load_hospital(of(folder / "notes.toml")).train["text"] == load_hospital(of(folder)).train["text"]


@pytest.mark.parametrize(("asked", "kept"), [("nursing", 9), ("Sonstiges", 9), ("nursing,entlassbrief", 18)])
def test_a_run_asks_for_common_categories_or_for_own(folder: Path, asked: str, kept: int) -> None:
    found = load_hospital(of(folder, note_types=asked))
    assert len(found.train) + len(found.test) == kept


def test_a_changed_mapping_is_another_reading(folder: Path) -> None:
    load_hospital(of(folder))
    text = NOTES.replace('patient = "case_no"', 'patient = "kind_of_letter"')
    (folder / "notes.toml").write_text(text)
    assert len({*(found := load_hospital(of(folder))).train["patient_id"], *found.test["patient_id"]}) == 3


def test_a_changed_table_of_codes_is_another_reading(folder: Path) -> None:
    """As is any file that says what notes mean."""
    text = NOTES.replace('readmitted = "readm30"', '[labels.icd-chapter]\ncolumn = "readm30"\nsystem = "own"')
    (folder / "notes.toml").write_text(f'{text}\n[vocabulary]\nown = "codes.csv"\n')
    run = of(folder, task="label", label="icd-chapter")
    with pytest.raises(DataError, match=r"codes.csv: no such file. \[vocabulary\] of .*notes.toml names it"):
        load_hospital(run)
    for chapter in ("infection", "circulatory"):
        (folder / "codes.csv").write_text(f"code,chapter\nyes,{chapter}\nno,skin\n")
        found = load_hospital(run)
        assert {*found.train["label"], *found.test["label"]} == {chapter, "skin"}


def test_a_label_is_one_that_the_hospital_names(folder: Path) -> None:
    found = load_hospital(of(folder, task="label", label="readmitted", labels="no,yes"))
    assert found.labels == ("no", "yes") and set(found.train["label"]) == {"no", "yes"}
    with pytest.raises(DataError, match=r"'case_no' is no label of this hospital's notes.toml \(labels there: readmit"):
        load_hospital(of(folder, task="label", label="case_no", labels="no,yes"))


def test_a_column_that_is_missing_is_named_with_those_there(folder: Path) -> None:
    (folder / "notes.toml").write_text(NOTES.replace('"letter"', '"text"'))
    with pytest.raises(
        DataError, match=r"letters.csv: has no column 'text'.* set \[columns\] to what they are.* is said"
    ):
        load_hospital(of(folder))


def test_a_column_that_is_nearly_spelt_so_is_offered(folder: Path) -> None:
    (folder / "notes.toml").write_text(NOTES.replace('"kind_of_letter"', '"kind_of_leter"'))
    with pytest.raises(
        DataError, match=r"has no column 'kind_of_leter'.* not shown.*; did you mean 'kind_of_letter'\?"
    ):
        load_hospital(of(folder))


def test_errors_name_the_keys_of_the_file_that_is_wrong(folder: Path) -> None:
    (folder / "notes.toml").write_text(NOTES.replace('path = "letters.csv"', 'path = "gone.csv"'))
    with pytest.raises(DataError, match=r"gone.csv: no such file or folder. Set path to where .*/notes.toml\.$"):
        load_hospital(of(folder))
    (folder / "notes.toml").write_text(f'encoding = "ascii"\n{NOTES}')
    (folder / "letters.csv").write_bytes((folder / "letters.csv").read_bytes().replace(b"well", "wöhl".encode()))
    with pytest.raises(DataError, match=r"letters.csv: byte \d+ .*not ascii. Set encoding = \"[\w-]+\" if that is"):
        load_hospital(of(folder))


def test_without_a_notes_toml_nothing_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"notes.toml: no such file"):
        load_hospital(of(tmp_path))
    with pytest.raises(DataError, match=r"none is named: set notes-path"):
        load_hospital(DataConfig(source="own"))


def test_of_hospitals_whose_notes_stand_apart_each_has_all_of_its_own(
    tmp_path: Path, write_csv: Callable[..., Path]
) -> None:
    for name, patients in (("north", 8), ("south", 12)):
        (tmp_path / name).mkdir()
        write_csv(["t", "p"], [[f"note {i} of {name}", i] for i in range(patients)], f"{name}/letters.csv")
        described = 'source = "csv"\npath = "letters.csv"\n[columns]\ntext = "t"\npatient = "p"\n'
        (tmp_path / name / "notes.toml").write_text(described)
    for number, name, patients in ((0, "north", 8), (1, "south", 12)):
        found = load_hospital(*share_of(of(tmp_path), number, 2))
        assert (found.name, len(found.train) + len(found.test)) == (name, patients)
    checked = check_notes(of(tmp_path), 2)
    assert checked.counts == {"read": 20, "kept": 20}
    assert [(one.name, one.notes) for one in checked.hospitals] == [("north", 8), ("south", 12)]


def test_notes_that_are_divided_stay_divided(folder: Path) -> None:
    even = of(folder, partition="even", min_patients=2)
    shares = [load_hospital(*share_of(even, number, 3)) for number in range(3)]
    assert [len(one.train) + len(one.test) for one in shares] == [9, 9, 9]
