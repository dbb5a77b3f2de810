"""Settings that follow from a model and a file of notes: only where the user set nothing, and all of them printed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from crossward.launcher.choices import with_model, with_notes
from crossward.launcher.errors import LauncherError


def test_the_embedded_models_values_are_replaced_but_not_the_users(own_home: Path) -> None:
    lines: list[str] = []
    found = with_model("embedded", {"train.learning-rate": 0.5, "model.device": "cpu"}, lines.append)
    assert found["train.learning-rate"] == 0.5 and found["model.name"] == "embedded"
    assert found["train.batch-size"] == 4
    printed = [line for line in lines if line.startswith("  ")]
    assert {line.partition("=")[0].strip() for line in printed} == set(found) - {
        "train.learning-rate",
        "model.name",
        "model.device",
    }
    assert all("#" in line for line in printed)


def test_without_options_nothing_is_derived() -> None:
    given = {"data.seed": 3}
    assert with_notes(None, with_model("", given, print), print) == given


def test_two_models_or_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="give one of them"):
        with_model("a", {"model.name": "b"}, print)
    with pytest.raises(LauncherError, match="give one of them"):
        with_notes(tmp_path, {"data.path": "/elsewhere"}, print)
    with pytest.raises(LauncherError, match="was not found"):
        with_model(str(tmp_path / "none"), {}, print)


@pytest.mark.parametrize(
    ("name", "first", "wanted"),
    [
        ("a.csv", "id,Transcription,medical_specialty", {"data.text-column": "Transcription", "data.source": "csv"}),
        ("a.csv.gz", "note,subject_id", {"data.partition": "even", "data.patient-column": "subject_id"}),
        ("a.jsonl", '{"text": "secret", "ward": "x"}', {"data.source": "jsonl", "data.site-column": "ward"}),
        ("a.json", '[{"text": "secret", "ward": "x"}]', {"data.source": "json", "data.site-column": "ward"}),
        ("a.txt", "ward;text", {"data.source": "csv", "data.text-column": "text"}),
    ],
)
def test_columns_of_usual_names_are_found(tmp_path: Path, name: str, first: str, wanted: dict[str, str]) -> None:
    path, lines = tmp_path / name, []
    data = f"\ufeff{first}\n".encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = with_notes(path, {}, lines.append)
    assert found["data.path"] == str(path) and wanted.items() <= found.items()
    assert ("data.site-column" in found) == (found["data.partition"] == "dirichlet")
    assert "secret" not in "".join(lines)


def test_folders_of_mimic_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="without MIMIC's tables"):
        with_notes(tmp_path, {}, print)
    (tmp_path / "note").mkdir()
    assert with_notes(tmp_path, {}, print)["data.source"] == "mimic-iv"
    (tmp_path / "NOTEEVENTS.csv.gz").touch()
    assert with_notes(tmp_path, {}, print)["data.source"] == "mimic-iii"


def test_a_notes_toml_says_it_itself(tmp_path: Path) -> None:
    (tmp_path / "NOTEEVENTS.csv").touch()
    file, table = tmp_path / "notes.toml", 'source = "csv"\npath = "a.csv"\n[columns]\ntext = "t"\n'
    file.write_text(table)
    for path in (file, tmp_path):
        found = with_notes(path, {}, print)
        assert found == {"data.source": "own", "data.partition": "even", "data.path": str(path)}
    file.write_text(f'{table}site = "w"\n')
    assert "data.partition" not in with_notes(file, {}, print)
    (tmp_path / "all" / "one").mkdir(parents=True)
    (tmp_path / "all" / "one" / "notes.toml").write_text("source = 3")
    assert (
        with_notes(tmp_path / "all", {}, print)["data.source"] == "own"
    )  # each is read later, with its hospital's name
    with pytest.raises(LauncherError, match=r"--notes: .*notes.toml: source is a number"):
        with_notes(tmp_path / "all" / "one", {}, print)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        (
            "a.csv",
            b"what,title\n",
            r"which column holds the notes\? Set data.text-column to one of the 2 fields \(title",
        ),
        ("a.csv", b"7,the secret\n", r"which column holds the notes\?.*not shown, of up to"),
        ("a.csv", b"\xff\xfe\x00", "byte 0"),
        ("a.jsonl", b"{'secret'}\n", r"line 1: not JSON \(character 1"),
        ("a.csv.gz", b"text\n", "no sound gzip file"),
        ("a.pdf", b"%PDF-1.4\n", "is a PDF document, not a table"),
    ],
)
def test_what_cannot_be_seen_is_asked_for(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(LauncherError, match=says) as caught:
        with_notes(tmp_path / name, {}, print)
    assert "secret" not in str(caught.value)
    with pytest.raises(LauncherError, match="is not there"):
        with_notes(tmp_path / "none.csv", {}, print)


def test_a_named_column_needs_no_guess(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("what,who\n")
    found = with_notes(tmp_path / "a.csv", {"data.text-column": "what", "data.site-column": "who"}, print)
    assert (found["data.text-column"], found["data.partition"]) == ("what", "dirichlet")
