"""NVFlare beside ours: what is said without it, what is made of its figures, and ours measured for real.

NVFlare itself is no dependency: a script in its place answers as ``benchmarks.nvflare_he.worker`` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.nvflare_he.__main__ import main
from crossward.encryption.plan import PRESETS

VALUES, CLIENTS = 9000, 2
SIZE = ["--values", str(VALUES), "--clients", str(CLIENTS), "--rounds", "3"]
Stand = Callable[[str], Path]


@pytest.fixture
def stand_in(tmp_path: Path) -> Stand:
    """Makes an interpreter that does what a piece of shell script says."""

    def make(script: str) -> Path:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


def test_without_an_interpreter_it_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SIZE, "--python", str(tmp_path / "python")]) == 2
    output = capsys.readouterr()
    assert f"{tmp_path / 'python'} is no Python interpreter" in output.err and "pip install nvflare==" in output.err
    assert not output.out


def test_an_interpreter_without_nvflare_is_told_apart_from_one_that_fails(
    stand_in: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = stand_in("echo Traceback >&2; echo \"ModuleNotFoundError: No module named 'nvflare'\" >&2; exit 1")
    assert main([*SIZE, "--python", str(lacking)]) == 2
    output = capsys.readouterr().err
    assert "lacks a package: ModuleNotFoundError: No module named 'nvflare'" in output and "pip install" in output

    failing = stand_in("echo 'answer {}'; read line; echo 'ValueError: refused' >&2; exit 3")
    assert main([*SIZE, "--python", str(failing)]) == 2
    output = capsys.readouterr().err
    assert "ended with code 3:\nValueError: refused" in output and "pip install" not in output


def test_their_figures_are_read_among_their_remarks_and_ours_are_measured(
    stand_in: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def figures(seconds: float, error: float) -> str:
        steps = ("encrypt", "pack", "unpack", "aggregate", "pack_down", "unpack_down", "decrypt")
        times = {step: seconds * (i + 1) for i, step in enumerate(steps)}
        one = {"up_bytes": 90_000, "context_bytes": 9_000, "down_bytes": 45_000, "max_error": error, "seconds": times}
        return json.dumps({"1": one, "56": one | {"up_bytes": 900_000}})

    answers = "".join(
        f"read line; echo 'WARNING: a remark'; echo 'answer {figures(seconds, error)}'\n"
        for seconds, error in ((1.0, 1e-8), (100.0, 3e-8), (2.0, 2e-8))
    )
    asked = tmp_path / "asked"
    python = stand_in(f'printf \'%s\' "$3" > {asked}; echo \'answer {{"nvflare": "9.8.7"}}\'\n{answers}cat')
    assert main([*SIZE, "--python", str(python), "--json", str(tmp_path / "out.json")]) == 0
    options = json.loads(asked.read_text())
    assert (options["values"], options["clients"], options["tensors"]) == (VALUES, CLIENTS, [1, 56])
    assert sum(options["weights"]) == PRESETS["compact"].total_weight

    found = json.loads((tmp_path / "out.json").read_text())
    one, many, baseline, compact = found["rows"]
    assert (one["up_bytes_per_value"], one["up_bytes_per_value_without_contexts"]) == (10.0, 9.0)
    assert (many["up_bytes_per_value"], one["down_bytes_per_value"]) == (100.0, 5.0)
    # the median round, 2 s a step: encrypting is of one of two clients, adding of both
    assert (one["encrypt_s"], one["aggregate_s"], one["decrypt_s"]) == (2 * 3 / 2, 2 * 12, 2 * 13)
    assert (one["encrypt_s_without_packing"], one["aggregate_s_without_packing"]) == (1.0, 8.0)
    assert one["max_error"] == 3e-8
    for row in (baseline, compact):
        assert row["max_error"] == 0 and row["rounding"] > 0
        assert min(row["encrypt_s"], row["aggregate_s"], row["decrypt_s"]) > 0
    assert baseline["up_bytes_per_value"] > 57 > 10 * compact["up_bytes_per_value"]
    text = capsys.readouterr().out
    assert "nvflare 9.8.7" in text and "without the TenSEAL context" in text
    assert all(row["name"] in text for row in found["rows"])
