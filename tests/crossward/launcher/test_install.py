"""Installing once: what counts as up to date, and what is done again; pip itself is not started."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from crossward.launcher import install as installing
from crossward.launcher.install import (
    DEV,
    RUN,
    STAMP,
    TORCH,
    TORCH_PINS,
    InstallError,
    fresh,
    main,
    make_venv,
    relevant,
    supported,
    works,
)

ROOT = Path(__file__).resolve().parents[3]
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
LOCKS = {RUN: "flwr==1", DEV: "-r run.txt", TORCH_PINS: "torch==2"}
HASHED = ("--no-deps", "--require-hashes", "-r")
TORCH_STEP = ("-c", TORCH_PINS, TORCH)
OWN = ("--no-deps", "--no-build-isolation", "-e", ".")
GPU = "torch==2.13.0 --index-url https://example.org"
GPU_STEP = ("torch==2.13.0", "--index-url", "https://example.org")

Project = tuple[Path, list[tuple[str, ...]]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose venv and pip are pretended; returns its folder and what pip was asked."""
    asked: list[tuple[str, ...]] = []

    def pretend_venv(venv: Path) -> None:
        (venv / "bin").mkdir(parents=True)
        (venv / "bin" / "python").touch()

    monkeypatch.setattr(installing, "make_venv", pretend_venv)
    monkeypatch.setattr(installing, "works", lambda python: python.exists())
    monkeypatch.setattr(installing, "pip", lambda venv, *args: asked.append(args))
    monkeypatch.setattr(installing, "remove_torch", lambda venv: asked.append(("uninstall", "torch")))
    monkeypatch.setattr(installing, "check", lambda venv: None)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / RUN).parent.mkdir()
    for name, text in LOCKS.items():
        (tmp_path / name).write_text(text)
    return tmp_path, asked


def test_nothing_is_installed_twice(project: Project) -> None:
    folder, asked = project
    installing.install(folder, "dev", None)
    assert asked == [(*HASHED, DEV), TORCH_STEP, OWN]
    installing.install(folder, "dev", None)
    installing.install(folder, "", None)
    (folder / "pyproject.toml").write_text(PROJECT.replace("rounds = 3", "rounds = 4"))
    installing.install(folder, "dev", "torch==2.13.0")
    assert len(asked) == 3


def test_changed_dependencies_or_extras_are_installed(project: Project) -> None:
    folder, asked = project
    installing.install(folder, "", None)
    installing.install(folder, "dev", None)
    (folder / "pyproject.toml").write_text(PROJECT.replace('"flwr"', '"flwr>=1"'))
    installing.install(folder, "dev", None)
    assert asked == [(*HASHED, RUN), TORCH_STEP, OWN, *[(*HASHED, DEV), TORCH_STEP, OWN] * 2]


@pytest.mark.parametrize("name", list(LOCKS))
def test_a_changed_lock_is_installed(project: Project, name: str) -> None:
    folder, asked = project
    installing.install(folder, "dev", None)
    (folder / name).write_text(LOCKS[name] + "\nadded==1\n")
    installing.install(folder, "dev", None)
    installing.install(folder, "dev", None)
    assert asked == [(*HASHED, DEV), TORCH_STEP, OWN] * 2


def test_a_lock_that_is_missing_is_named_before_anything_is_done(project: Project) -> None:
    folder, asked = project
    (folder / DEV).unlink()
    with pytest.raises(InstallError, match=r"the lock cannot be read: .*requirements/dev\.txt.*`make lock`"):
        installing.install(folder, "", None)
    assert not asked and not (folder / ".venv").exists()


def test_another_torch_replaces_the_one_that_is_there_and_needs_no_locked_libraries(project: Project) -> None:
    folder, asked = project
    installing.install(folder, "", None)
    installing.install(folder, "", GPU)
    assert asked[3:] == [("uninstall", "torch"), (*HASHED, RUN), GPU_STEP, OWN]
    installing.install(folder, "", GPU)
    assert len(asked) == 7
    installing.install(folder, "", TORCH)
    assert asked[7:] == [("uninstall", "torch"), (*HASHED, RUN), TORCH_STEP, OWN]


def test_the_torch_of_choice_is_kept_when_something_else_changes(project: Project) -> None:
    folder, asked = project
    installing.install(folder, "", GPU)
    assert asked == [(*HASHED, RUN), GPU_STEP, OWN]
    (folder / RUN).write_text("flwr==2")
    installing.install(folder, "", None)
    installing.install(folder, "dev", None)
    assert asked[3:] == [(*HASHED, RUN), GPU_STEP, OWN, (*HASHED, DEV), GPU_STEP, OWN]


def test_an_interrupted_install_is_done_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, asked = project

    def broken(venv: Path, *args: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(installing, "pip", broken)
        with pytest.raises(KeyboardInterrupt):
            installing.install(folder, "", GPU)
    installing.install(folder, "", None)
    assert asked == [(*HASHED, RUN), GPU_STEP, OWN]


def test_an_environment_of_before_the_lock_is_brought_up_to_it(project: Project) -> None:
    folder, asked = project
    installing.install(folder, "dev", None)
    stamp = folder / ".venv" / STAMP
    old = json.loads(stamp.read_text())
    del old["relevant"]["locks"]
    stamp.write_text(json.dumps(old | {"torch": TORCH}))
    installing.install(folder, "dev", None)
    assert asked[3:] == [(*HASHED, DEV), TORCH_STEP, OWN]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"relevant": 1}'])
def test_a_damaged_stamp_is_not_fresh(tmp_path: Path, content: str) -> None:
    stamp = tmp_path / "stamp"
    stamp.write_text(content)
    wanted = relevant(PROJECT, LOCKS)
    assert not fresh(stamp, wanted, "", None)
    stamp.write_text(json.dumps({"relevant": wanted, "extras": [], "torch": "t"}))
    assert fresh(stamp, wanted, "", None) and not fresh(stamp, wanted, "dev", None)


def test_packages_that_do_not_fit_together_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = subprocess.CompletedProcess(
        [], 1, "crossward 0.1.0 has requirement torch==2.13.0, but you have torch 2.12.\n"
    )
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    installing.check(tmp_path)
    output = capsys.readouterr().out
    assert "install: warning: crossward 0.1.0 has requirement torch==2.13.0" in output and "make clean" in output
    done.returncode = 0
    installing.check(tmp_path)
    assert not capsys.readouterr().out


def test_pip_refuses_a_file_whose_hash_is_not_locked(tmp_path: Path) -> None:
    """What the install step is worth: pip itself, with a wheel that is not the locked one and no index."""
    import zipfile

    wheel = tmp_path / "crossward_probe-1-py3-none-any.whl"
    info = "crossward_probe-1.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: crossward-probe\nVersion: 1\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    options = ["--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / "target")]
    for digest, code in ((hashlib.sha256(wheel.read_bytes()).hexdigest(), 0), ("0" * 64, 1)):
        (tmp_path / "lock.txt").write_text(f"crossward-probe==1 --hash=sha256:{digest}\n")
        command = [sys.executable, "-m", "pip", "install", *options, *HASHED, str(tmp_path / "lock.txt")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
    assert "DO NOT MATCH THE HASHES" in done.stderr or "do not match the hashes" in done.stderr.lower()


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


@pytest.mark.parametrize("module", ["install", "lock", "latest"])
def test_what_runs_before_anything_is_installed_needs_the_standard_library_alone(module: str) -> None:
    """``-S`` leaves out the environment's packages."""
    command = [sys.executable, "-S", "-c", f"import crossward.launcher.{module}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
