"""Every file that once failed is read as it was meant, or refused with what is wrong; no row of any is unaccounted."""

from __future__ import annotations

import dataclasses
import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from data import DataConfig, DataError, load_hospital
from data.notes_file import notes_file
from tests.data.failed_files import CASES, Case


def read(path: Path, case: Case) -> Path:
    source = "jsonl" if path.suffix == ".jsonl" else "csv"
    settings: dict[str, Any] = {"source": source, "patient_column": "patient", **case.settings}
    return notes_file(path, DataConfig(path=str(path), **settings))


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_failed(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    case = CASES[name]
    caplog.set_level(logging.DEBUG)
    path = tmp_path / case.name
    path.write_bytes(case.content)
    if case.rows is None:
        with pytest.raises(DataError, match=case.refused) as error:
            read(path, case)
        assert "Miller" not in str(error.value) + caplog.text
        return
    folder = read(path, case)
    with pa.memory_map(str(folder / "notes.arrow")) as source:
        table = pa.ipc.open_stream(source).read_all()
    assert list(zip(table["patient_id"].to_pylist(), table["text"].to_pylist(), strict=True)) == case.rows
    counts = json.loads((folder / "counts.json").read_text())
    left_out = {why: count for why, count in counts.items() if why not in ("read", "kept")}
    assert left_out == case.counts and counts["read"] == counts["kept"] + sum(left_out.values())
    facts = json.loads((folder / "reading.json").read_text())[str(path)]
    assert case.facts.items() <= facts.items()


def test_where_a_row_is_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = ["patient,text", *(f'P{i},"Note {i}\nof two lines"' for i in range(30))]
    lines.insert(8, "P97,secret,words")
    lines.insert(20, 'P98,"secret"words')
    path = tmp_path / "notes.csv"
    path.write_text("\n".join(lines))
    folder = read(path, Case("", b""))
    listed = [json.loads(line) for line in (folder / "quarantine.jsonl").read_text().splitlines()]
    text = path.read_text().splitlines()
    assert [text[row["line"] - 1] for row in listed] == ["P97,secret,words", 'P98,"secret"words']
    assert [row["why"] for row in listed] == ["wrong number of fields", "text after a closing quote"]
    assert {row["file"] for row in listed} == {"notes.csv"}
    assert f"line {listed[0]['line']}: wrong number of fields" in caplog.text
    assert "secret" not in caplog.text + (folder / "quarantine.jsonl").read_text()


def test_a_bad_id_is_named_by_its_line_and_likeness(tmp_path: Path, mimic_iii: Path) -> None:
    for path in mimic_iii.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    notes = tmp_path / "NOTEEVENTS.csv"
    with notes.open("a") as file:
        file.write("1,2,H77,2150-01-01,,,Nursing,Report,,,secret\n")
    last = len(notes.read_text().splitlines())
    with pytest.raises(DataError, match=f"'hadm_id' holds no whole number on line {last}, but a text of 3 letters and"):
        notes_file(tmp_path, DataConfig(source="mimic-iii"))


def test_labels_of_json_are_as_written(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('{"text": "a", "ill": true}\n{"text": "b", "ill": false}\n{"text": "c", "ill": 1.50}\n')
    config = DataConfig(source="jsonl", path=str(path), task="label", label="ill", labels="true,false")
    folder = notes_file(path, config)
    assert json.loads((folder / "counts.json").read_text()) == {"read": 3, "kept": 2, "label not in data.labels": 1}


def test_the_labels_that_a_message_proposes_can_be_pasted(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    kinds = ['"Asthma, mild"', "none", '"a ""sure"" case"']
    path.write_text("patient,text,ill\n" + "".join(f"P{i},Note {i},{kinds[i % 3]}\n" for i in range(40)))
    config = DataConfig(source="csv", path=str(path), patient_column="patient", task="label", label="ill")
    with pytest.raises(DataError, match="Set data") as error:
        load_hospital(config)
    proposed = str(error.value).partition("(here: ")[2].removesuffix(").")
    found = load_hospital(dataclasses.replace(config, labels=proposed))
    assert found.labels == ("Asthma, mild", 'a "sure" case', "none") and len(found.train) + len(found.test) == 40


def test_what_a_file_is_found_to_be_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (path := tmp_path / "notes.csv").write_bytes(gzip.compress("text;id;text\n'Öl; x';1;y\n'é';2;z\n".encode("cp1252")))
    read(path, Case("", b"", settings={"patient_column": "id"}))
    assert f"{path}: is read as packed by gzip, cp1252 (guessed), separated by semicolons, quoted by '" in caplog.text
    assert f"{path}: has 2 columns 'text'; the first is read" in caplog.text
    caplog.clear()
    path.write_text("text,id\na,1\n")
    read(path, Case("", b"", settings={"patient_column": "id"}))
    assert "is read as" not in caplog.text
