"""A deployed run before it is submitted: its folder, its paths and its log touch nothing of anybody's."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from crossward.deploy.aggregator import AggregatorConfig, init_aggregator, read_aggregator
from crossward.deploy.run import DeployedRun
from crossward.launcher.errors import LauncherError
from crossward.ledger.file import FILE_NAME


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AggregatorConfig:
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    return read_aggregator(init_aggregator(tmp_path / "hub", "hub.example", 9092, "127.0.0.1"))


def run(config: AggregatorConfig, *settings: str) -> DeployedRun:
    return DeployedRun(config, settings, lambda _: None)


def test_paths_of_this_machine_are_resolved_here_and_the_hospitals_are_not(
    config: AggregatorConfig, tmp_path: Path
) -> None:
    made = run(config, "run.folder=mine data.path=~/notes data.source=csv")
    given = tomllib.loads(made._text)
    assert made.folder == tmp_path / "here" / "mine" and given["run"]["folder"] == str(made.folder)
    assert given["data"]["path"] == "~/notes"  # of whoever runs a SuperNode
    for text in ("data.path=notes.csv", "model.name=./model", "lora.factors=core lora.bases=bases"):
        with pytest.raises(LauncherError, match="is a relative path"):
            run(config, text)


def test_a_folder_with_other_files_or_without_a_run_is_refused(config: AggregatorConfig) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.tex").touch()
    with pytest.raises(LauncherError, match="is not empty"):
        run(config, "run.folder=mine")
    with pytest.raises(LauncherError, match="holds no run"):
        run(config, "run.resume=mine")
    Path("mine", FILE_NAME).touch()
    assert run(config, "run.resume=mine").folder == Path("mine").absolute()


def test_what_is_submitted_lies_in_files_of_our_own(config: AggregatorConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run folder called config: Flower's own configuration is ``config.toml``; and output beside the folder."""
    made = run(config, "run.folder=config")
    flowers = made.flower.home / "config.toml"
    before = flowers.read_bytes()
    (theirs := Path("config.log").absolute()).write_text("theirs")
    submitted: list[Any] = []

    def submit(app: Path, file: Path) -> str:
        submitted.append(tomllib.loads(file.read_text()))
        return "77"

    monkeypatch.setattr(made.flower, "run", submit)
    assert made.submit() == "77" and submitted[0]["run"]["folder"] == str(made.folder)
    assert flowers.read_bytes() == before and theirs.read_text() == "theirs"
    assert made.log == config.state / "logs" / "config-77.log" and made.log.read_text() == ""
    assert [path.name for path in made.flower.home.iterdir()] == ["config.toml"]
