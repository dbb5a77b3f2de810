"""What is said of a hospital's notes: numbers that are right, and no note."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossward.cli.app import main

SECRET = "Mrs Quill has a rash"
CONFIG = "data.source=csv data.text-column=note data.patient-column=who"


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve patients with two notes each, an empty note and a note without a patient."""
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
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
