"""A run goes on with the settings and as many hospitals as it had, whatever the defaults are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossward.cli.app import main
from crossward.launcher.errors import LauncherError
from crossward.launcher.options import Options
from crossward.launcher.overrides import app_defaults
from crossward.launcher.resume import begun

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(story: Callable[..., Any]) -> Path:
    """An interrupted run of three hospitals, which six nodes joined over two sessions."""
    recorded = story(["North", "South", "East"])
    config = app_defaults(ROOT) | {"train.local-steps": 3, "data.seed": 7, "run.folder": str(recorded.path)}
    (recorded.path / "config.json").write_text(json.dumps({"lineage": "ab" * 8, "plan": [8, 7, 0], "config": config}))
    recorded.start()
    recorded.nodes = [f"{node}9" for node in recorded.nodes]
    recorded.start("resumed", 0)
    recorded.ledger.close()
    return Path(recorded.path)


def test_settings_that_are_not_the_defaults_are_taken_up(run: Path) -> None:
    settings, hospitals = begun(run, ROOT)
    assert settings == {"train.local-steps": 3, "data.seed": 7, "run.resume": str(run)} and hospitals == 3


def test_keys_of_an_earlier_version_are_those_of_this_one(run: Path) -> None:
    began = json.loads((run / "config.json").read_text())
    began["config"] |= {"strategy.poll-seconds": 0.2, "data.label-column": "died"}
    (run / "config.json").write_text(json.dumps(began))
    settings, _ = begun(run, ROOT)
    assert settings["data.label"] == "died" and not {"strategy.poll-seconds", "data.label-column"} & set(settings)


def test_the_command_starts_with_them(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Options] = []
    monkeypatch.setattr("crossward.cli.run.launch", lambda wanted: asked.append(wanted) or 0)
    assert main(["resume", str(run), "--run-config", "encryption.workers=2"]) == 0
    (found,) = asked
    assert found.num_supernodes == 3 and found.run_config == ("encryption.workers=2",)
    assert found.resumed["run.resume"] == str(run) and "run.folder" not in found.resumed


def test_what_holds_no_run_is_refused(tmp_path: Path, run: Path) -> None:
    with pytest.raises(LauncherError, match="holds no run"):
        begun(tmp_path / "nowhere", ROOT)
    (run / "ledger.jsonl").write_text("{}\n")
    with pytest.raises(LauncherError, match=r"cannot resume: .*line 1"):
        begun(run, ROOT)


def test_callbacks_become_a_setting_of_the_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Options] = []
    monkeypatch.setattr("crossward.cli.run.launch", lambda wanted: asked.append(wanted) or 0)
    assert main(["run", "--callback", "mine:Patience", "--callback", "mine:Curve"]) == 0
    assert main(["resume", str(run), "--callback", "mine:Patience"]) == 0
    assert [one.run_config for one in asked] == [
        ("run.callbacks='mine:Patience,mine:Curve'",),
        ("run.callbacks='mine:Patience'",),
    ]
