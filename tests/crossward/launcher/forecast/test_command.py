"""Probing the embedded model for real, and what is said and refused of its findings."""

from __future__ import annotations

import io
import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossward.cli.app import main
from crossward.config.run_config import RunConfig
from crossward.launcher import launch as launch_module
from crossward.launcher.errors import LauncherError
from crossward.launcher.forecast import command
from crossward.launcher.forecast.command import Load, forecast, run_probe
from crossward.launcher.forecast.probe import Probe
from crossward.launcher.forecast.probe import main as probe
from crossward.launcher.launch import Launch
from crossward.launcher.options import Options
from crossward.launcher.processes import ProcessTree

ROOT = Path(__file__).resolve().parents[4]
SMALL = "data.synthetic-patients=24 data.min-patients=2 data.max-tokens=64 lora.rank=2 train.batch-size=2"
PROBE = Probe("cpu", "bfloat16", 134_500_000, 2_442_240, 3.0, 300.0, 600.0, 2 * 10**9, 0, 1024, 10, 9000)
LOAD = Load(hospitals=4, held_out=6, at_once=2, cpus=2, evaluated=True)


class Process:
    """A probe that ended with ``code``."""

    def __init__(self, code: int, err: bytes = b"") -> None:
        self.returncode, self.err = code, err

    def communicate(self, _: bytes) -> tuple[bytes, bytes]:
        return b"", self.err


def probing(patch: pytest.MonkeyPatch, found: Probe, free: float) -> None:
    patch.setattr(command, "run_probe", lambda *_: found)
    patch.setattr(command, "available", lambda: int(free * 1e9))


def test_a_dry_run_prints_what_a_run_takes_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(launch_module, "Flower", lambda *_, **__: pytest.fail("Flower was started"))
    runs = tmp_path / "runs"
    words = ["--model", "embedded", "--num-supernodes", "3", "--runs-dir", str(runs), "--run-config", SMALL]
    assert main(["run", *words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "train.learning-rate=" in said and "data.max-tokens=" not in said
    assert "float32 on cpu" in said and "memory: " in said and "time: at most about " in said
    assert "dry run: nothing was started" in said and not runs.exists()


@pytest.mark.parametrize(
    ("process", "says"),
    [
        (Process(2, b"model.name = 'x' was not found"), "^model.name = 'x' was not found$"),
        (Process(-signal.SIGKILL), "does not fit into memory.*model.quantization=4bit"),
        (Process(1, b"Traceback\nRuntimeError: no"), "the first steps failed: RuntimeError: no"),
    ],
)
def test_a_model_that_cannot_be_used_ends_the_launch(
    process: Process, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = ProcessTree()
    monkeypatch.setattr(tree, "start", lambda *_, **__: process)
    with pytest.raises(LauncherError, match=says):
        run_probe(tree, str(ROOT), RunConfig.read({}), 4, 1)


def test_the_probe_names_what_is_wrong_with_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    config = RunConfig.read({"model.name": str(tmp_path / "none"), "data.synthetic-patients": 24})
    asked = {"config": config.by_key(), "hospitals": 3, "threads": 1}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(asked)))
    assert probe() == 2
    assert "was not found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("free", "at_once", "says"),
    [
        (20.0, 2, "memory: 2.2 GB for each of 2 hospitals at once, 5.9 GB in all; 20.0 GB are available"),
        (5.0, 1, "memory: 2.2 GB for each of 1 hospitals at once (not 2, which do not fit), 3.7 GB in all; 5.0 GB"),
    ],
)
def test_memory_bounds_how_many_train_at_once(
    free: float, at_once: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    probing(monkeypatch, PROBE, free)
    lines: list[str] = []
    found = forecast(ProcessTree(), "", RunConfig.read({}), LOAD, lines.append)
    assert found.at_once == at_once and any(line.startswith(says) for line in lines)
    assert "model: 134.5 M parameters in bfloat16 on cpu, 2,442,240 trained; loaded in 3 s" in lines


def test_too_little_memory_for_one_hospital_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    probing(monkeypatch, PROBE, 3.0)
    with pytest.raises(LauncherError, match=r"one hospital takes 2.2 GB and Flower 1.5 GB; 3.0 GB are available. Try"):
        forecast(ProcessTree(), "", RunConfig.read({}), LOAD, print)


def test_on_a_gpu_its_memory_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    probing(monkeypatch, replace(PROBE, device="cuda:0", device_memory=80 * 10**9), 1.0)
    lines: list[str] = []
    assert forecast(ProcessTree(), "", RunConfig.read({}), LOAD, lines.append).at_once == 2
    assert "memory: 2.0 GB of 80.0 GB for each hospital that trains on a device" in lines


@pytest.mark.parametrize(("config", "timeout"), [((), 7200.0), (("strategy.task-timeout=99",), 99)])
def test_the_launch_follows_the_forecast(
    config: tuple[str, ...], timeout: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    found: Any = command.Fit(1, 7200.0)
    monkeypatch.setattr(command, "forecast", lambda *_: found)
    launch = Launch(Options(ROOT, tmp_path / "runs", (SMALL, *config), num_supernodes=3, cpus=2, dry_run=True), print)
    assert launch.run() == 0
    assert f"strategy.task-timeout = {timeout}\n" in launch._run_config
    assert "client-resources-num-cpus=2 " in launch._federation and launch._federation.endswith("init-args-num-cpus=2")
