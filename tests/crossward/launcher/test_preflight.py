"""What is wrong with a run is found before anything is started, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossward.cli.app import main
from crossward.launcher import launch as launch_module
from crossward.launcher.launch import Launch
from crossward.launcher.options import Options
from crossward.launcher.overrides import app_defaults

ROOT = Path(__file__).resolve().parents[3]
CSV = "data.source=csv data.text-column=text data.partition=even data.min-patients=2"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The caller's directory, with notes.csv in it; Flower must not be started."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("Flower was started")

    monkeypatch.setattr(launch_module, "Flower", refuse)
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    (folder := tmp_path / "here").mkdir()
    monkeypatch.chdir(folder)
    (folder / "notes.csv").write_text("text,patient\n" + "".join(f"a note number {i},{i}\n" for i in range(30)))
    return folder


def run(*config: str, nodes: int = 3) -> int:
    words = [word for text in config for word in ("--run-config", text)]
    return main(["run", "--num-supernodes", str(nodes), "--runs-dir", "runs", *words])


def made(*config: str, nodes: int = 3) -> tuple[Launch, list[str]]:
    messages: list[str] = []
    return Launch(Options(ROOT, Path.cwd() / "runs", config, num_supernodes=nodes), messages.append), messages


def test_paths_are_taken_from_the_callers_directory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here / "ada"))
    (here / "org" / "model").mkdir(parents=True)
    (here / "org" / "model" / "config.json").touch()
    (here / "bases").touch()
    launch, _ = made(f"{CSV} data.path=notes.csv run.state-dir=~/state run.folder=runs/mine")
    config = {key: launch._config[key] for key in ("data.path", "run.state-dir")}
    assert config == {"data.path": str(here / "notes.csv"), "run.state-dir": str(here / "ada" / "state")}
    assert launch.folder == here / "runs" / "mine" and f'data.path = "{here}/notes.csv"' in launch._run_config
    launch, _ = made("model.name=org/model lora.bases=bases lora.factors=core")
    assert launch._config["model.name"] == str(here / "org" / "model")
    assert launch._config["lora.bases"] == str(here / "bases")
    launch, _ = made("model.name=org/another")
    assert launch._config["model.name"] == "org/another"  # a hub id: there is no such folder


def test_the_notes_are_read_first_and_found_in_the_cache_afterwards(here: Path) -> None:
    launch, messages = made(f"{CSV} data.path=notes.csv")
    lines = launch._before()
    assert lines == messages and messages[-1] == "notes: hospital 1 10, hospital 2 10, hospital 3 10"
    assert any(line.startswith(f"{here / 'notes.csv'}: 30 read") for line in messages)
    again, messages = made(f"{CSV} data.path=notes.csv")
    assert again._before() == ["notes: hospital 1 10, hospital 2 10, hospital 3 10"]  # nothing was read again


@pytest.mark.parametrize(
    ("config", "code", "says"),
    [
        ("data.source=csv", 1, "data.source = 'csv' needs the folder or file of the notes: data.path"),
        (f"{CSV} data.path=none.csv", 1, "HERE/none.csv: no such file or folder"),
        (f"{CSV} data.path=notes.csv data.text-column=body", 1, "has no column 'body'; in place of names"),
        (f"{CSV} data.path=.", 1, "is a folder; data.source = 'csv' needs data.path to be one file"),
        ("data.source=mimic-iii data.path=.", 1, "holds no NOTEEVENTS.csv"),
        (f"{CSV} data.path=notes.csv data.min-patients=20", 1, "fewer than data.min-patients = 20"),
        (f"{CSV} data.path=notes.csv data.partition=site", 1, "finds 0 sites for 3 hospitals"),
        ("model.name=./none", 2, "model.name = 'HERE/none' is not a model folder: it has no config.json"),
        ("model.name=~nobody-there/x", 2, "write the path out"),
        ("lora.factors=core lora.bases=none", 2, "lora.bases = 'HERE/none' is not a readable file"),
        ("run.resume=none", 2, "run.resume: HERE/none holds no run"),
        ("run.folder=.", 2, "HERE is not empty (it holds notes.csv)"),
        ("none.toml", 2, "HERE/none.toml cannot be read: No such file"),
        ("strategy.min-nodes=4", 2, "strategy.min-nodes = 4 cannot be met by 3 hospitals: simulate 4 or more"),
        ("strategy.buffer-size=4", 2, "strategy.buffer-size = 4 cannot be met by 3 hospitals"),
        ("encryption.plan=8,1,0", 2, "--num-supernodes 3: encryption.plan: 1 weight bits"),
        ("strategy.poll-seconds=1", 2, "run config: strategy.poll-seconds is now fixed at 0.2 ("),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    here: Path, capsys: pytest.CaptureFixture[str], config: str, code: int, says: str
) -> None:
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert run(config) == code
    assert says.replace("HERE", str(here)) in capsys.readouterr().err
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before
    assert not (here / "runs").exists()


def test_two_hospitals_are_too_few_for_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(nodes=2) == 2
    messages = capsys.readouterr().err
    assert "--num-supernodes 2: strategy.min-nodes = 3 and strategy.min-contributors = 3 and" in messages
    assert "one sees another's update" in messages
    made("strategy.min-nodes=2 strategy.min-contributors=2 strategy.buffer-size=2", nodes=2)
    made("strategy.name=fedavg strategy.buffer-size=9", nodes=3)  # of a round of nine all three are sampled


@pytest.mark.parametrize("home", ["x", "~nobody-there/x"])
def test_a_home_that_every_process_would_understand_otherwise_is_refused(
    home: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", home)
    assert run() == 2 and f"CROSSWARD_HOME = '{home}'" in capsys.readouterr().err


def test_a_proxy_that_flower_cannot_use_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks4://ada:secret@proxy:1080")
    assert run() == 2
    messages = capsys.readouterr().err
    assert "ALL_PROXY=socks4://***@proxy:1080" in messages and "secret" not in messages


def test_output_beside_the_run_folder_stays_what_it_was(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``... run.folder=runs/mine > runs/mine.log``: the shell has made the file before the launcher starts."""
    (here / "runs").mkdir()
    (theirs := here / "runs" / "mine.log").write_text("what the shell writes there\n")
    launch, _ = made(f"{CSV} data.path=notes.csv run.folder=runs/mine")
    with pytest.raises(AssertionError, match="Flower was started"):
        launch.run()
    launch.close()
    assert theirs.read_text() == "what the shell writes there\n"
    assert launch.log == here / "runs" / "mine" / "launcher.log" and "30 read" in launch.log.read_text()


def test_the_defaults_pass() -> None:
    launch, _ = made(nodes=4)
    assert launch._config == app_defaults(ROOT)
