"""Alignment beside OpenMined's PSI: what is said without it, what is made of its figures, ours measured for real.

OpenMined's is no dependency: a script in its place answers as ``benchmarks.alignment.worker`` does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.alignment.__main__ import main

SIZE = ["--size", "60", "--rounds", "1"]
ROUND = {name: {"cpu": {"blind": 0.5, "raise": 0.25}, "cpu_s": 0.75, "bytes": 6000} for name in ("raw", "compressed")}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def stand_in(folder: Path, script: str) -> list[str]:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return [*SIZE, "--python", str(path)]


LACKS = "ModuleNotFoundError: No module named 'private_set_intersection'"


@pytest.mark.parametrize(
    ("script", "message", "help_given"),
    [
        (f'echo "{LACKS}" >&2; exit 1', "lacks a package", True),
        (
            "echo '{}'; read line; echo 'ValueError: refused' >&2; exit 3",
            "ended with code 3:\nValueError: refused",
            False,
        ),
    ],
)
def test_an_interpreter_that_lacks_it_and_one_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], script: str, message: str, help_given: bool
) -> None:
    assert main(stand_in(tmp_path, script)) == 2
    output = capsys.readouterr().err
    assert message in output and ("pip install openmined-psi==" in output) is help_given


def test_without_an_interpreter_it_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SIZE, "--python", str(tmp_path / "python")]) == 2
    output = capsys.readouterr().err
    assert "is no Python interpreter" in output and "pip install openmined-psi==" in output


def test_ours_is_measured_and_theirs_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = [
        {"name": "1 thread", "points_a_second": 1.0, "best": 1.0, "cores": 1.0}
    ]  # processes that start take a second
    monkeypatch.setattr("benchmarks.alignment.__main__.speeds", lambda points, workers, rounds: lock)
    script = f"echo '{{\"openmined-psi\": \"2\"}}'; while read line; do echo '{json.dumps(ROUND)}'; done"
    file = tmp_path / "found.json"
    assert main([*stand_in(tmp_path, script), "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    ours, raw, compressed = found["rows"]
    assert found["versions"] == {"openmined-psi": "2"} and raw["name"] == "OpenMined, raw"
    assert raw["identifiers_per_cpu_second"] == pytest.approx(160) and raw["bytes_per_identifier"] == 50
    assert compressed["blind_s"] == 0.5 and compressed["compare_s"] == 0
    # two sets of 32 bytes a point, one of them there and back, positions of 30 patients, headers of three messages
    headers = ours["bytes_per_identifier"] * 120 - (3 * 60 * 32 + 2 * 30 * 4)
    assert 3 * 100 < headers < 3 * 300 and ours["identifiers_per_cpu_second"] > 100
