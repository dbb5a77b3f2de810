"""What is said of a hospital's notes: numbers that are right, and no note."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from crossward.adapters.tokenizers import load_tokenizer
from crossward.cli.app import main

SECRET = "Mrs Quill has a rash"
CONFIG = "data.source=csv data.text-column=note data.patient-column=who"


once_loaded = functools.lru_cache(load_tokenizer)


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve patients with two notes each, an empty note and a note without a patient."""
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("crossward.adapters.tokenizers.load_tokenizer", once_loaded)
    path = tmp_path / "notes.csv"
    rows = [f"{SECRET} {i} {j},{i},{'yes' if i % 3 else 'no'}" for i in range(12) for j in range(2)]
    path.write_text("note,who,outcome\n" + "\n".join([*rows, ",3,yes", f"{SECRET},,no"]) + "\n")
    return path


def test_counts_splits_and_lengths_are_those_of_the_notes(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(notes), "--run-config", CONFIG, "--json"]) == 0
    text = capsys.readouterr().out
    found = json.loads(text)
    assert found["counts"]["read"] == 26 and found["counts"]["kept"] == 24
    (one,) = found["hospitals"]
    assert one["name"] == "notes" and one["labels"] == {}
    assert one["train"]["notes"] + one["test"]["notes"] == 24
    assert one["train"]["patients"] + one["test"]["patients"] == 12 and one["test"]["patients"] >= 1
    assert one["train"]["longest"] == len(f"{SECRET} 11 1") and one["train"]["median"] <= one["train"]["p95"]


def test_labels_are_counted(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = f"{CONFIG} data.task=label data.label=outcome data.labels=yes,no"
    assert main(["data", "check", str(notes), "--run-config", more, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["hospitals"]
    assert one["labels"] == {"no": 8, "yes": 16}


def test_the_table_is_for_people_and_holds_no_note(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = f"{CONFIG} data.task=label data.label=note data.labels=yes,no"
    for config, code in ((CONFIG, 0), ("data.source=csv data.text-column=note", 0), (more, 1)):
        assert main(["data", "check", str(notes), "--run-config", config]) == code
        output = capsys.readouterr()
        assert "Quill" not in output.out + output.err and "Traceback" not in output.err
        if not code:
            assert "held out" in output.out and "24 kept" in output.out.replace("25 kept", "24 kept")


def test_a_hospitals_file_says_where_its_notes_are(
    notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub, folder = tmp_path / "hub", tmp_path / "hospital"
    assert main(["deploy", "init-aggregator", str(hub), "--address", "hub.example.org:443"]) == 0
    args = ["--superlink", "hub.example.org:443", "--site", "St. Brigid", "--data", str(notes)]
    assert main(["deploy", "init-hospital", str(folder), *args, "--authority", str(hub / "ca.crt")]) == 0
    capsys.readouterr()
    file = str(folder / "hospital.toml")
    assert main(["data", "check", "--hospital", file, "--run-config", CONFIG, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["hospitals"]
    assert one["name"] == "St. Brigid" and one["train"]["notes"] + one["test"]["notes"] == 24


def test_notes_can_be_shared_out_to_simulated_hospitals(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    even = f"{CONFIG} data.partition=even data.min-patients=2"
    assert main(["data", "check", str(notes), "--run-config", even, "--hospitals", "3", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["hospitals"]) == 3


def findings(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["data", "check", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_repetitions_lengths_and_categories_are_found_where_they_were_put(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = " ".join(f"word{i}" for i in range(300))
    rows = [f"Note {i} of a patient who is well,P{i // 2},Nursing" for i in range(60)]
    rows += [f"{long} and {i},P{i},Radiology" for i in range(6)]  # nearly the same note of six patients
    rows += ["Seen and well,P1,Nursing", "SEEN  and well,P1,Nursing"]  # once more for the same patient
    rows += ["Copied by mistake,P3,Nursing", "Copied by mistake,P4,Nursing"]  # and of two patients
    path = tmp_path / "more.csv"
    path.write_text("text,who,kind\n" + "\n".join(rows) + "\n")
    config = "data.source=csv data.patient-column=who data.site-column=kind"
    (one,) = findings([str(path), "--run-config", config], capsys)["hospitals"]
    same = one["duplicates"]
    assert (same["within"], same["across"], same["patients"]) == (1, 2, 2)
    assert (same["near_within"], same["near_across"]) == (0, 6)
    assert one["categories"] == {"Nursing": 63, "Radiology": 6}
    assert one["lengths"]["longest"] > 300 and one["lengths"]["longer"] <= 6 and one["lengths"]["lost"] == 0
    assert sum(one["lengths"]["histogram"]) == one["lengths"]["measured"] == one["train"]["notes"]
    assert one["notes_per_patient"][2] == 4


def test_labels_that_are_cut_away_or_missing_are_warned_of(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = f"{CONFIG} data.task=label data.label=outcome data.labels=yes,no,maybe data.max-tokens=64"
    found = findings([str(notes), "--run-config", label], capsys)
    (one,) = found["hospitals"]
    assert one["labels"] == {"yes": 16, "no": 8, "maybe": 0} and found["warnings"]
    assert any(text.startswith("12 patients: below 30") for text in found["warnings"])
    (one,) = findings([str(notes), "--run-config", "data.source=csv data.text-column=note"], capsys)["hospitals"]
    assert one["train"]["patients"] == one["train"]["notes"]
    assert main(["data", "check", str(notes), "--run-config", "data.source=csv data.text-column=note"]) == 0
    assert "every note is a patient of its own" in capsys.readouterr().out


def test_a_hospitals_own_description_is_checked(
    notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = tmp_path / "notes.toml"
    described.write_text('source = "csv"\npath = "notes.csv"\n[columns]\ntext = "note"\npatient = "who"\n')
    (one,) = findings([str(described)], capsys)["hospitals"]
    assert one["train"]["notes"] + one["test"]["notes"] == 24
    described.write_text('source = "csv"\npath = "notes.csv"\n[columns]\ntext = "letter"\n')
    assert main(["data", "check", str(described)]) == 1
    assert "letter" in capsys.readouterr().err


def test_the_page_is_whole_in_itself_holds_no_note_and_is_the_owners_alone(
    notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, more = tmp_path / "check.html", f"{CONFIG} data.task=label data.label=outcome data.labels=yes,no"
    assert main(["data", "check", str(notes), "--run-config", more, "--out", str(page)]) == 0
    text = page.read_text()
    root = ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))
    words = " ".join(root.itertext())
    for fact in ("Notes of notes", "26 read", "without a patient", "yes", "16 (66.7%)", "Worth a look", "12 patients"):
        assert fact in words, fact
    assert "Quill" not in text and "<script" not in text and page.stat().st_mode & 0o077 == 0
    assert main(["data", "check", str(notes), "--run-config", CONFIG, "--out", str(tmp_path / "no" / "x.html")]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_examples_are_shown_on_a_terminal_alone(
    notes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ["data", "check", str(notes), "--run-config", CONFIG, "--examples", "2"]
    assert main(wanted) == 2
    output = capsys.readouterr()
    assert "on a terminal alone" in output.err and "Quill" not in output.out + output.err
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert main(wanted) == 0
    assert capsys.readouterr().out.count("Mrs Quill") == 2


def test_a_model_that_is_not_here_leaves_only_the_lengths_out(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = f"{CONFIG} model.name=nobody/nothing"
    assert main(["data", "check", str(notes), "--run-config", config, "--json"]) == 0
    output = capsys.readouterr()
    (one,) = json.loads(output.out)["hospitals"]
    assert one["lengths"] is None and "lengths in tokens are not measured" in output.err


def test_what_the_file_is_and_which_rows_cannot_be_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"Befund {i} mit Größe;P{i % 20}" for i in range(80)]
    (tmp_path / "letters.csv").write_text("\n".join(["text;who", *rows, "Frau Quill;zu;viel"]), encoding="cp1252")
    described = tmp_path / "notes.toml"
    described.write_text('source = "csv"\npath = "letters.csv"\n[columns]\ntext = "text"\npatient = "who"\n')
    page = tmp_path / "page.html"
    assert main(["data", "check", str(described), "--out", str(page)]) == 0
    output = capsys.readouterr()
    shown = " ".join(output.out.split())
    for fact in ("cp1252, a guess", "separated by semicolons", "letters.csv, line 82: wrong number of fields"):
        assert fact in shown and fact in page.read_text(), fact
    assert "81 notes read, 80 kept" in shown and "Quill" not in output.out + output.err + page.read_text()
