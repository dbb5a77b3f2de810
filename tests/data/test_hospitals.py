"""Both MIMIC forms, plain and gzipped, come back as the hospitals that wrote them, split by patient."""

import collections
import csv
import gzip
import shutil
from pathlib import Path

import pytest

from data import DataConfig, DataError, Hospital, load_hospital, load_hospitals
from data.synthetic.houses import HOUSES


def patients(hospital: Hospital) -> tuple[set[str], set[str]]:
    return set(hospital.train["patient_id"]), set(hospital.test["patient_id"])


def check_disjoint(hospitals: list[Hospital]) -> None:
    parts = [part for hospital in hospitals for part in patients(hospital)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set().union(*parts))


def noteevents(folder: Path) -> list[dict[str, str]]:
    with (folder / "NOTEEVENTS.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_mimic_iii_notes_come_back_once_without_errors_and_repetitions(mimic_iii: Path) -> None:
    hospital = load_hospital(DataConfig(source="mimic-iii", path=str(mimic_iii)))
    rows = noteevents(mimic_iii)
    expected = {(r["SUBJECT_ID"], "".join(r["TEXT"].split()).lower()) for r in rows if r["ISERROR"] != "1"}
    assert len(rows) > len(expected) > 60  # the made-up tables have errors and repetitions
    assert len(hospital.train) + len(hospital.test) == len(expected)
    check_disjoint([hospital])
    by_id = {r["ROW_ID"]: r for r in rows}
    for row in hospital.test:
        assert row["patient_id"] == by_id[row["note_id"]]["SUBJECT_ID"]
        assert row["category"] == by_id[row["note_id"]]["CATEGORY"].strip()
        assert "[**" not in row["text"]
        assert row["label"] == ""
    assert any("___" in row["text"] for row in hospital.test)


def test_gzip_and_header_case_make_no_difference(mimic_iii: Path, tmp_path: Path) -> None:
    for path in mimic_iii.iterdir():
        first, rest = path.read_bytes().split(b"\n", 1)
        (tmp_path / f"{path.stem.lower()}.csv.gz").write_bytes(gzip.compress(first.lower() + b"\n" + rest, 1))
    plain = load_hospitals(DataConfig(source="mimic-iii", path=str(mimic_iii)), 4)
    packed = load_hospitals(DataConfig(source="mimic-iii", path=str(tmp_path)), 4)
    assert [h.name for h in plain] == [h.name for h in packed]
    assert [h.train["text"][:] for h in plain] == [h.train["text"][:] for h in packed]


@pytest.mark.parametrize("column", ["", "CURR_SERVICE"])
def test_mimic_iii_sites_are_the_hospitals_that_wrote_the_notes(mimic_iii: Path, column: str) -> None:
    hospitals = load_hospitals(DataConfig(source="mimic-iii", path=str(mimic_iii), site_column=column), 4)
    check_disjoint(hospitals)
    assert {h.name for h in hospitals} == {h.service if column else h.unit for h in HOUSES[:4]}
    text = next(h for h in hospitals if h.name in ("TSICU", "TSURG")).train["text"][:]
    assert all("[" in note and " -- " not in note for note in text)


def test_mimic_iii_sites_by_category_send_a_patient_where_most_notes_are(mimic_iii: Path) -> None:
    config = DataConfig(source="mimic-iii", path=str(mimic_iii), site_column="CATEGORY")
    hospitals = load_hospitals(config, 2)
    check_disjoint(hospitals)
    assert {part for h in hospitals for part in h.name.split(" + ")} == {
        "Physician", "Nursing", "Radiology", "Discharge summary",
    }  # fmt: skip


def test_mortality_comes_from_the_expire_flag_and_discharge_summaries_are_left_out(mimic_iii: Path) -> None:
    config = DataConfig(source="mimic-iii", path=str(mimic_iii), task="label")
    hospital = load_hospital(config)
    assert hospital.labels == ("survived", "died")
    with (mimic_iii / "ADMISSIONS.csv").open() as file:
        died = {r["HADM_ID"] for r in csv.DictReader(file) if r["HOSPITAL_EXPIRE_FLAG"] == "1"}
    rows = {r["ROW_ID"]: r for r in noteevents(mimic_iii)}
    found = [*hospital.train, *hospital.test]
    assert {row["label"] for row in found} == {"survived", "died"}
    for row in found:
        assert rows[row["note_id"]]["HADM_ID"]
        assert (row["label"] == "died") == (rows[row["note_id"]]["HADM_ID"] in died)
    assert "Discharge summary" not in {row["category"] for row in found}
    kept = load_hospital(
        DataConfig(source="mimic-iii", path=str(mimic_iii), task="label", keep_discharge_summaries=True)
    )
    assert "Discharge summary" in set(kept.train["category"])


def test_note_hours_keep_early_notes_alone(mimic_iii: Path) -> None:
    early = load_hospital(DataConfig(source="mimic-iii", path=str(mimic_iii), task="label", note_hours=24.0))
    every = load_hospital(DataConfig(source="mimic-iii", path=str(mimic_iii), task="label"))
    assert 4 < len(early.train) + len(early.test) < len(every.train) + len(every.test)


def test_mimic_iv_and_mimic_iii_agree_on_labels_and_chapters(mimic_iii: Path, mimic_iv: Path) -> None:
    def chapters(source: str, path: Path) -> dict[str, set[str]]:
        config = DataConfig(source=source, path=str(path), task="label", label="icd-chapter")
        hospital = load_hospital(config)
        found: dict[str, set[str]] = collections.defaultdict(set)
        for row in [*hospital.train, *hospital.test]:
            found[row["patient_id"]].add(row["label"])
        return found

    old, new = chapters("mimic-iii", mimic_iii), chapters("mimic-iv", mimic_iv)
    assert len(new) > 15
    once = [p for p in new if p in old and len(old[p]) == 1]
    assert once and all(new[p] == old[p] for p in once)


def test_mimic_iv_partitions_by_year_group_of_the_patient(mimic_iv: Path) -> None:
    config = DataConfig(source="mimic-iv", path=str(mimic_iv), site_column="anchor_year_group", min_patients=2)
    hospitals = load_hospitals(config, 3)
    check_disjoint(hospitals)
    assert all("20" in h.name for h in hospitals)
    assert {c for h in hospitals for c in h.train["category"]} == {"Discharge summary", "Radiology"}


def test_note_types_filter_and_say_what_there_is(mimic_iii: Path) -> None:
    some = load_hospital(DataConfig(source="mimic-iii", path=str(mimic_iii), note_types="nursing, Radiology"))
    assert set(some.train["category"]) == {"Nursing", "Radiology"}
    with pytest.raises(DataError, match=r"Note types found:.*Nursing"):
        load_hospital(DataConfig(source="mimic-iii", path=str(mimic_iii), note_types="echo"))


def test_synthetic_hospitals_have_their_names_and_do_not_depend_on_who_asks() -> None:
    config = DataConfig(synthetic_patients=60)
    hospitals = load_hospitals(config, 4)
    assert [h.name for h in hospitals] == [h.name for h in HOUSES[:4]]
    assert len(hospitals[0].train) > len(hospitals[3].train)
    alone = load_hospital(config, 2, 4)
    assert alone.name == hospitals[2].name
    assert alone.test["text"][:] == hospitals[2].test["text"][:]
    check_disjoint(hospitals)


def test_more_made_up_hospitals_than_there_are_is_refused_but_even_parts_are_not() -> None:
    with pytest.raises(DataError, match="8 made-up hospitals, not 9"):
        load_hospitals(DataConfig(synthetic_patients=60), 9)
    check_disjoint(load_hospitals(DataConfig(synthetic_patients=60, partition="even"), 10))


def test_max_notes_keeps_whole_patients(mimic_iii: Path) -> None:
    every = load_hospital(DataConfig(source="mimic-iii", path=str(mimic_iii)))
    some = load_hospital(DataConfig(source="mimic-iii", path=str(mimic_iii), max_notes=30))
    assert 20 < len(some.train) + len(some.test) <= 30
    counts = collections.Counter([*every.train["patient_id"], *every.test["patient_id"]])
    kept = collections.Counter([*some.train["patient_id"], *some.test["patient_id"]])
    assert all(counts[patient] == number for patient, number in kept.items())


def test_a_changed_file_is_read_again(mimic_iii: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(mimic_iii, folder)
    config = DataConfig(source="mimic-iii", path=str(folder))
    before = load_hospital(config)
    with (folder / "NOTEEVENTS.csv").open("a") as file:
        file.write("999999,424242,,2150-01-01,,,Nursing,Report,,,a note of a new patient\n")
    after = load_hospital(config)
    assert len(after.train) + len(after.test) == len(before.train) + len(before.test) + 1
