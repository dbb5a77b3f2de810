"""The file of cleaned notes is of the notes as they are now, in whatever format a folder holds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossward.config.data_settings import DataConfig
from data.notes_file import notes_file
from data.readers import COLUMNS, Counts

CONFIG = DataConfig(source="mimic-iii")


def write(path: Path, text: str) -> None:
    """One note in the format that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": [text]}), path)
    else:
        path.write_text(text)


def read(folder: Path, _: DataConfig, counts: Counts) -> Iterator[pa.Table]:
    """A reader of folders that takes every format."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        text = pq.read_table(path)["text"][0].as_py() if path.suffix == ".parquet" else path.read_text()
        counts["read"] += 1
        row = dict.fromkeys(COLUMNS, "") | {"note_id": path.name, "patient_id": path.name, "text": text}
        yield pa.table({name: pa.array([row[name]], pa.string()) for name in COLUMNS})


def texts(folder: Path) -> list[str]:
    with pa.memory_map(str(notes_file(folder, CONFIG) / "notes.arrow")) as source:
        return sorted(pa.ipc.open_stream(source).read_all()["text"].to_pylist())


@pytest.mark.parametrize(
    "name",
    ["NOTEEVENTS.csv", "notes.csv.gz", "notes.ndjson", "notes.jsonl", "notes.parquet", "note/part-0.parquet", "notes"],
)
def test_a_changed_file_of_any_format_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("data.readers.mimic_iii.read_mimic_iii", read)
    write(tmp_path / "ADMISSIONS.csv", "this file stays")
    write(tmp_path / name, "the patient was well")
    assert texts(tmp_path) == ["the patient was well", "this file stays"]
    write(tmp_path / name, "the patient was ill, and more was written")
    assert texts(tmp_path) == ["the patient was ill, and more was written", "this file stays"]
    (tmp_path / name).unlink()
    assert texts(tmp_path) == ["this file stays"]


def test_a_new_file_is_read_and_a_hidden_one_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.readers.mimic_iii.read_mimic_iii", read)
    write(tmp_path / "a.csv", "one")
    before = notes_file(tmp_path, CONFIG)
    write(tmp_path / ".lock", "12345")
    assert notes_file(tmp_path, CONFIG) == before
    write(tmp_path / "b.ndjson", "two")
    assert texts(tmp_path) == ["one", "two"]
