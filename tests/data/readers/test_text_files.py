"""Folders of text files with a manifest, and with names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossward.config.data_settings import DataConfig
from crossward.config.notes_settings import NotesConfig
from data.errors import DataError
from data.readers import Counts
from data.readers.text_files import read_text_files


def read(folder: Path, encoding: str = "", **columns: str) -> tuple[dict[str, dict[str, str]], Counts]:
    counts = Counts()
    own = NotesConfig("text-files", str(folder), encoding=encoding, columns=tuple(columns.items()))
    config = DataConfig(source="text-files", path=str(folder), described=own)
    pieces = read_text_files(folder, config, counts)
    return {row.pop("note_id"): row for piece in pieces for row in piece.to_pylist()}, counts


def files(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = folder / (name.replace("__", "/").replace("_", "-") + ".txt")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def test_names_say_whose_notes_are_where_nothing_else_does(tmp_path: Path) -> None:
    files(tmp_path, **{"110_03": "a", "110_04": "b", "P7__letter": "c", "P7__film": "d", "discharge_note": "e"})
    (tmp_path / "readme.md").write_text("no note")
    found, counts = read(tmp_path)
    assert {name: row["patient_id"] for name, row in found.items()} == {
        "110-03": "110", "110-04": "110", "P7/letter": "P7", "P7/film": "P7", "discharge-note": "discharge-note",
    }  # fmt: skip
    assert counts == {"read": 5} and {row["text"] for row in found.values()} == set("abcde")


def test_a_manifest_says_what_files_are(tmp_path: Path) -> None:
    files(tmp_path, a="was well", b="was better", c="was there", spare="of nobody")
    (tmp_path / "outside").write_text("no note")
    names = ["a.txt", "b.txt", "sub/none.txt", "../outside", *["c.txt"] * 20]
    rows = [f"{name};{i};00{i}.0;Visite" for i, name in enumerate(names)]
    (tmp_path / "MANIFEST.csv").write_text("\n".join(["Datei;Nr;Patient;Art", *rows]))
    found, counts = read(tmp_path, text="Datei", note="Nr", patient="Patient", category="Art")
    assert (found["1"]["text"], found["1"]["patient_id"], found["1"]["category"]) == ("was better", "1", "Visite")
    assert [(row.line, row.why) for row in counts.quarantined] == [
        (4, "the file is missing"), (5, "the file is not in the folder"),
    ]  # fmt: skip
    assert counts["not in the manifest"] == 1 and counts["read"] == 25 == len(found) + 3


def test_files_may_be_in_another_encoding(tmp_path: Path) -> None:
    text = "Die Patientin wurde mit Übelkeit, Schüttelfrost und Müdigkeit aufgenommen; Ödeme bestanden nicht."
    (tmp_path / "1-1.txt").write_text(text, encoding="cp1252")
    (tmp_path / "1-2.txt").write_text(text, encoding="utf-8-sig")
    found, _ = read(tmp_path)
    assert [row["text"] for row in found.values()] == [text, text]
    for number in range(10):
        (tmp_path / f"2-{number}.txt").write_text("was well")
    found, counts = read(tmp_path, encoding="utf-8")
    assert len(found) == 11 and [(row.path, row.why) for row in counts.quarantined] == [
        ("1-1.txt", "the file is not utf-8")
    ]


def test_a_folder_without_notes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.txt file, and no manifest\.csv"):
        read(tmp_path)
    (tmp_path / "manifest.csv").write_text("file,patient\na.txt,1\nb.txt,2\n")
    with pytest.raises(DataError, match="2 of 2 files are not there"):
        read(tmp_path, text="file", patient="patient")
    with pytest.raises(DataError, match=r"manifest\.csv: has no column 'Datei'"):
        read(tmp_path, text="Datei")
