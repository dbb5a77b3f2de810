"""Every door refuses bad input with the file, the column, the rows and what to do, and never repeats a note."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data import DataConfig, DataError, load_hospital, load_hospitals
from data.csv_files import stream_csv
from data.jsonl_files import stream_jsonl
from data.tables import find_table

Write = Callable[..., Path]
ROWS = [[f"p{i}", f"note number {i} about the heart", "yes" if i % 2 else "no", "AB"[i % 2]] for i in range(40)]
HEADER = ["Patient", "Text", "Outcome", "Ward"]


def flat(path: Path, **more: object) -> DataConfig:
    settings = {"source": "csv", "patient_column": "patient", "text_column": "text", **more}
    return DataConfig(path=str(path), **settings)  # type: ignore[arg-type]


def refused(config: DataConfig, *parts: str, hospitals: int | None = None) -> None:
    with pytest.raises(DataError) as error:
        load_hospital(config) if hospitals is None else load_hospitals(config, hospitals)
    for part in parts:
        assert part in str(error.value)


def test_a_good_file_is_read(write_csv: Write) -> None:
    hospital = load_hospital(flat(write_csv(HEADER, ROWS), name="Here"))
    assert hospital.name == "Here"
    assert len(hospital.train) + len(hospital.test) == 40


def test_a_path_is_needed_and_has_to_exist(tmp_path: Path) -> None:
    refused(DataConfig(source="csv"), "'csv' needs", "data.path", "data-path")
    refused(flat(tmp_path / "none.csv"), "none.csv", "no such file", "data.path")
    refused(flat(tmp_path), "is a folder", "one file")
    refused(DataConfig(source="mimic-iii", path=str(tmp_path)), str(tmp_path), "NOTEEVENTS.csv", "holds nothing")
    refused(DataConfig(source="mimic-iv", path=str(tmp_path)), "discharge.csv", "note/")


def test_a_missing_table_or_column_is_named(tmp_path: Path, write_csv: Write, mimic_iii: Path) -> None:
    path = write_csv(HEADER, ROWS)
    refused(flat(path, text_column="body"), str(path), "'body'", "Patient, Text, Outcome, Ward")
    write_csv(["SUBJECT_ID", "TEXT"], [], "NOTEEVENTS.csv")
    refused(DataConfig(source="mimic-iii", path=str(tmp_path)), "'row_id'", "SUBJECT_ID, TEXT")
    for table in mimic_iii.iterdir():
        if table.stem != "ADMISSIONS":
            (tmp_path / table.name).write_bytes(table.read_bytes())
    refused(DataConfig(source="mimic-iii", path=str(tmp_path), task="label"), "ADMISSIONS.csv")


def test_a_site_column_that_is_nowhere_is_named(mimic_iii: Path) -> None:
    config = DataConfig(source="mimic-iii", path=str(mimic_iii), site_column="region")
    refused(config, "'region'", "ICUSTAYS.csv", "FIRST_CAREUNIT", hospitals=2)


@pytest.mark.parametrize("name", ["notes.csv", "notes.jsonl"])
def test_wrong_encoding_says_where_and_what(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    good = b"patient,text\n" if name.endswith("csv") else b""
    row = b'%s,"caf\xe9 noir"\n' if name.endswith("csv") else b'{"patient": "%s", "text": "caf\xe9 noir"}\n'
    path.write_bytes(good + row % b"a" + row % b"b")
    at = path.read_bytes().index(b"\xe9")
    source = path.suffix[1:]
    refused(flat(path, source=source, encoding="utf-8"), f"byte {at} (line {2 if good else 1})", "data.encoding=cp1252")
    for encoding in ("cp1252", ""):
        assert load_hospital(flat(path, source=source, encoding=encoding)).train["text"][:] == ["café noir"]
    refused(flat(path, source=source, encoding="no-such"), "'no-such'", "utf-8")


def test_a_bad_byte_far_into_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_bytes(b"text\n" + b"\xc3\xa9 fine\n" * 200_000 + b"bad \xff\n")
    with pytest.raises(DataError, match=f"byte {path.stat().st_size - 2} \\(line 200002\\)"):
        list(stream_csv(path, ["text"], "utf-8"))


def test_rows_with_the_wrong_number_of_columns_are_counted_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("patient,text\n1,fine\n2,secret,words\n")
    with pytest.raises(DataError) as error:
        load_hospital(flat(path))
    assert "Expected 2 columns, got 3" in str(error.value) and "secret" not in str(error.value)


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text('patient,text\n1,"open' + "x" * (9 << 20))
    with pytest.raises(DataError, match=r"notes.csv: .*never closed"):
        list(stream_csv(path, ["text"]))


def test_a_cut_gzip_file(tmp_path: Path, write_csv: Write) -> None:
    whole = gzip.compress(write_csv(HEADER, ROWS * 50).read_bytes())
    path = tmp_path / "notes.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    refused(flat(path), "notes.csv.gz")
    path.write_bytes(b"no gzip at all")
    refused(flat(path), "notes.csv.gz", "cannot be read")


def test_json_lines_say_which_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    good = json.dumps({"Patient": 1, "text": "fine"})
    path.write_text(f"{good}\n\n{good[:-4]}\n")
    with pytest.raises(DataError, match=r"line 3: not JSON \(character"):
        list(stream_jsonl(path, ["text"]))
    path.write_text(f"{good}\n[1]\n")
    with pytest.raises(DataError, match=r"line 2: no JSON object \(it holds a list"):
        list(stream_jsonl(path, ["text"]))
    path.write_text(f"{good}\n{json.dumps({'patient': 2})}\n")
    assert next(stream_jsonl(path, ["text"]))["text"].to_pylist() == ["fine", ""]
    with pytest.raises(DataError, match=r"has no column 'body'"):
        list(stream_jsonl(path, ["body"]))


def test_nothing_usable_says_why(write_csv: Write, tmp_path: Path) -> None:
    refused(flat(write_csv(HEADER, [["a", " \n ", "", ""]] * 3)), "no usable note of 3 rows", "3 empty")
    refused(flat(write_csv(HEADER, [])), "no usable note of 0 rows")
    (tmp_path / "empty.csv").write_text("")
    refused(flat(tmp_path / "empty.csv"), "empty", "column names")


def test_a_single_patient(write_csv: Write) -> None:
    refused(flat(write_csv(HEADER, [["a", f"note {i}", "", ""] for i in range(9)])), "1 patient", "patient-column")


def test_labels_have_to_be_known_and_two(write_csv: Write) -> None:
    path = write_csv(HEADER, ROWS)
    refused(flat(path, task="label"), "has no column 'mortality'")
    refused(flat(path, task="label", label="outcome"), "same list at every hospital", "no, yes")
    alone = load_hospital(flat(path, task="label", label="outcome", labels="no,maybe,yes"))
    assert alone.labels == ("no", "maybe", "yes")
    assert {h.labels for h in load_hospitals(flat(path, task="label", label="outcome", partition="even"), 2)} == {
        ("no", "yes")
    }
    refused(flat(path, task="label", label="outcome", labels="no,maybe"), "every usable note", "the label no,")
    one = write_csv(HEADER, [[r[0], r[1], "no", r[3]] for r in ROWS], "one.csv")
    refused(flat(one, task="label", label="outcome", labels="no,yes"), "every usable note", "nothing to learn")


def test_partitions_that_cannot_be(write_csv: Write) -> None:
    path = write_csv(HEADER, ROWS)
    refused(
        flat(path, site_column="ward"),
        "2 sites for 3 hospitals",
        "A: 20 patients; B: 20 patients",
        "dirichlet",
        hospitals=3,
    )
    refused(flat(path, partition="dirichlet"), "dirichlet", "even", hospitals=2)
    refused(flat(path, partition="even"), "data.min-patients", hospitals=20)
    refused(flat(path, partition="even"), "at least one", hospitals=0)
    with pytest.raises(DataError, match="no hospital 3 of 3"):
        load_hospital(flat(path), 3, 3)
    skewed = load_hospitals(flat(path, partition="dirichlet", site_column="ward"), 4)
    assert len(skewed) == 4 and all(len(h.train) and len(h.test) for h in skewed)


def test_a_column_of_notes_taken_for_labels_or_sites_is_not_repeated(write_csv: Write) -> None:
    secret = "the private words of a note that nobody but the hospital may see"
    path = write_csv(HEADER, [[f"p{i}", f"{secret} {i}", "", ""] for i in range(300)])
    for config, hospitals in (
        (flat(path, task="label", label="text"), 2),
        (flat(path, task="label", label="text", labels="a,b"), None),
        (flat(path, site_column="text", note_types="x"), None),
        (flat(path, site_column="text"), 301),
        (flat(path, site_column="text", min_patients=200), 2),
    ):
        with pytest.raises(DataError) as error:
            load_hospital(config) if hospitals is None else load_hospitals(config, hospitals)
        assert "private" not in str(error.value)
    assert "private" not in load_hospitals(flat(path, site_column="text"), 2)[0].name


def test_ids_that_are_no_numbers(tmp_path: Path, mimic_iii: Path) -> None:
    for path in mimic_iii.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "NOTEEVENTS.csv").open("a") as file:
        file.write("1,2,H77,2150-01-01,,,Nursing,Report,,,text\n")
    refused(DataConfig(source="mimic-iii", path=str(tmp_path)), "NOTEEVENTS.csv", "'hadm_id'", "no whole number")


def test_tables_are_found_in_subfolders_of_any_case(tmp_path: Path) -> None:
    (tmp_path / "Note").mkdir()
    (tmp_path / "Note" / "Discharge.CSV.GZ").touch()
    found = find_table(tmp_path, "discharge")
    assert found is not None and found.name == "Discharge.CSV.GZ"
