"""Installing once: what counts as up to date, and what is done again; pip itself is not started."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from launcher import install as installing
from launcher.install import InstallError, fresh, main, make_venv, relevant, supported, works

ROOT = Path(__file__).resolve().parents[2]
PROJECT = """
[build-system]
requires = ["hatchling"]
[project]
name = "x"
dependencies = ["flwr"]
optional-dependencies = { dev = ["pytest"] }
[tool.flwr.app.config]
rounds = 3
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[tuple[str, ...]]]:
    """A project whose venv and pip are pretended; returns its folder and what pip was asked."""
    asked: list[tuple[str, ...]] = []

    def pretend_venv(venv: Path) -> None:
        (venv / "bin").mkdir(parents=True)
        (venv / "bin" / "python").touch()

    monkeypatch.setattr(installing, "make_venv", pretend_venv)
    monkeypatch.setattr(installing, "works", lambda python: python.exists())
    monkeypatch.setattr(installing, "pip", lambda venv, *args: asked.append(args))
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path, asked


def test_nothing_is_installed_twice(project: tuple[Path, list[tuple[str, ...]]]) -> None:
    folder, asked = project
    installing.install(folder, "dev", None)
    assert asked == [("torch==2.13.0",), ("-e", ".[dev]")]
    installing.install(folder, "dev", None)
    installing.install(folder, "", None)
    (folder / "pyproject.toml").write_text(PROJECT.replace("rounds = 3", "rounds = 4"))
    installing.install(folder, "dev", "torch==2.13.0")
    assert len(asked) == 2


def test_changed_dependencies_extras_or_torch_are_installed(project: tuple[Path, list[tuple[str, ...]]]) -> None:
    folder, asked = project
    installing.install(folder, "", None)
    installing.install(folder, "dev", None)
    (folder / "pyproject.toml").write_text(PROJECT.replace('"flwr"', '"flwr>=1"'))
    installing.install(folder, "dev", None)
    installing.install(folder, "dev", "torch==2.13.0 --index-url https://example.org")
    assert [args[-1] for args in asked[1::2]] == [".", ".[dev]", ".[dev]", ".[dev]"]
    assert asked[-2] == ("torch==2.13.0", "--index-url", "https://example.org")


def test_an_interrupted_install_is_done_again(
    project: tuple[Path, list[tuple[str, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = project

    def broken(venv: Path, *args: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(installing, "pip", broken)
        installing.install(folder, "", None)
    installing.install(folder, "", None)
    assert len(asked) == 2


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"relevant": 1}'])
def test_a_damaged_stamp_is_not_fresh(tmp_path: Path, content: str) -> None:
    stamp = tmp_path / "stamp"
    stamp.write_text(content)
    assert not fresh(stamp, relevant(PROJECT), "", None)
    stamp.write_text(json.dumps({"relevant": relevant(PROJECT), "extras": [], "torch": "t"}))
    assert fresh(stamp, relevant(PROJECT), "", None) and not fresh(stamp, relevant(PROJECT), "dev", None)


def test_only_supported_pythons_are_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert [supported(v) for v in ((3, 10), (3, 11), (3, 12), (3, 13))] == [False, True, True, False]
    assert works(Path(sys.executable)) and not works(tmp_path / "python")
    monkeypatch.setattr(sys, "version_info", (3, 13, 1))
    assert main([]) == 2 and "Python 3.11 or 3.12 is needed" in capsys.readouterr().out


def test_a_machine_without_venv_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "ensurepip is not available", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(InstallError, match=r"(?s)ensurepip is not available.*apt install python3\.1\d-venv"):
        make_venv(tmp_path / ".venv")


def test_make_refuses_other_pythons_by_name(tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.8.1' && exit 0\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(["make", "-C", str(ROOT), "install", f"PYTHON={old}"], capture_output=True, text=True)
    assert done.returncode == 2 and "Python 3.11 or 3.12 is needed" in done.stderr and "3.8.1" in done.stderr
