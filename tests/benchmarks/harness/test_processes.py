"""Processes to measure in: their answer, their failure, their time, and the apps that they run."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from benchmarks.harness.processes import ROOT, ProcessError, fresh, importable, one_core, write_app
from crossward.machine.cores import cores


@pytest.fixture
def module(tmp_path: Path) -> dict[str, str]:
    text = """import json, os, sys, time
print("a remark")
if sys.argv[1] == "fail":
    sys.exit("what went wrong")
time.sleep(float(sys.argv[2]))
print(json.dumps({"given": sys.argv[1], "home": os.environ["HERE"]}))
"""
    (tmp_path / "measured_here.py").write_text(text)
    return {"PYTHONPATH": str(tmp_path), "HERE": "set"}


def test_a_process_answers_with_its_last_line(module: dict[str, str]) -> None:
    found = fresh("measured_here", Path("a"), 0, seconds=60, environment=module)
    assert found == {"given": "a", "home": "set"}


def test_a_process_that_fails_or_takes_too_long_is_named(module: dict[str, str]) -> None:
    with pytest.raises(ProcessError, match="measured_here ended with code 1: what went wrong"):
        fresh("measured_here", "fail", seconds=60, environment=module, quiet=True)
    with pytest.raises(ProcessError, match="measured_here did not end within 1 s"):
        fresh("measured_here", "a", 30, seconds=1, environment=module)


def test_a_process_is_held_on_one_core_for_a_while() -> None:
    before = cores()
    with one_core():
        assert cores() == 1
    assert cores() == before >= 1


def test_an_app_has_the_projects_defaults_and_finds_its_modules(tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", "app = 1\n", "app = 2\n")
    read = tomllib.loads((app / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    assert read["config"] == own["config"]
    for component, text in (("serverapp", "app = 1\n"), ("clientapp", "app = 2\n")):
        assert (app / f"{read['components'][component].split(':')[0]}.py").read_text() == text
    assert importable().split(os.pathsep)[0] == str(ROOT)
