"""A profile run of real nodes: what is opened is what the hospitals' notes count, once, and by the key alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossward.adapters.tokenizers import load_tokenizer
from crossward.cli.app import main
from crossward.encryption.key_file import create_key
from crossward.evaluation.profile import counted_profile, opened_profile
from crossward.evaluation.replay import EvaluationError, open_run
from crossward.ledger.events import Accepted, Version
from crossward.report.profile.figures import profiled
from data import load_hospitals

COMPUTE = (10.0, 14.0, 12.0, 11.0)


@pytest.fixture(scope="module")
def made(
    home: Path, federation: Callable[..., Any], configure: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """A profile of four hospitals, whose committee opened it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(home))
        config = configure(
            run__profile=True, strategy__min_nodes=4, strategy__min_contributors=3, strategy__buffer_size=3
        )
        config |= {"data.synthetic-patients": 60, "run.state-dir": str(home / "profile-state")}
        return federation(config, tmp_path_factory.mktemp("profile") / "run", COMPUTE)


@pytest.fixture
def folder(made: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.folder, tmp_path / "run"))


@pytest.fixture
def key(home: Path, made: Any) -> Path:
    return home / "keys" / "simulation.key"


def test_what_is_opened_is_what_the_hospitals_have(made: Any, key: Path) -> None:
    found = opened_profile(open_run(made.folder), key, None, None)
    config, hospitals = made.read, load_hospitals(made.read.data, 4)
    counted = counted_profile(hospitals, load_tokenizer(config.model), config)
    assert found.cells == counted.cells and found.hospitals == counted.hospitals == 4
    assert found.sealed and not counted.sealed
    assert found.whole("notes") == sum((len(one.train) + len(one.test) + 5) // 10 * 10 for one in hospitals)
    assert sum(cell.count for cell in found.cells if cell.group == "length") > 0


def test_a_run_that_is_resumed_opens_no_second_profile(
    made: Any, folder: Path, key: Path, federation: Callable[..., Any]
) -> None:
    before = opened_profile(open_run(folder), key, None, None)
    federation(made.config, folder, COMPUTE, resume=True, first_id=20)
    run = open_run(folder)
    assert [type(event) for event in run.events].count(Version) == 1
    assert opened_profile(run, key, None, None) == before


def test_the_command_shows_it_and_puts_it_into_the_report(
    folder: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "profile", str(folder), "--key", str(key)]) == 0
    shown = capsys.readouterr().out
    assert "Do the hospitals fit together?" in shown and "4 of 4" in shown
    kept = profiled(folder)
    assert kept is not None and kept.hospitals == 4
    assert main(["data", "profile", str(folder), "--key", str(key), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((folder / "profile.json").read_text())


def test_without_the_key_it_stays_shut(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "profile", str(folder)]) == 1
    assert "the profile of" in (said := capsys.readouterr().err) and "--key FILE" in said
    create_key(tmp_path / "other.key")
    assert main(["data", "profile", str(folder), "--key", str(tmp_path / "other.key")]) == 1
    assert "holds key" in capsys.readouterr().err


def test_nothing_in_the_run_folder_says_what_a_hospital_has(made: Any) -> None:
    assert not (made.folder / "profile.json").exists()
    accepted = [event for event in open_run(made.folder).events if isinstance(event, Accepted)]
    assert {(one.num_examples, one.num_tokens, one.loss_sum, one.steps) for one in accepted} == {(1, 1, 0.0, 1)}
    assert len(accepted) == 4 and len({one.shape for one in accepted}) == 1


def test_a_run_that_trained_is_no_profile(finished: Any) -> None:
    with pytest.raises(EvaluationError, match="is a run that trained"):
        opened_profile(open_run(finished.folder), None, None, None)


def test_a_profile_is_no_adapter(folder: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(folder), "--out", str(folder / "adapter"), "--key", str(key)]) == 1
    assert "is a profile run, which trained nothing" in capsys.readouterr().err


def test_a_record_that_was_changed_is_refused(made: Any, folder: Path, key: Path) -> None:
    path = folder / "versions" / "000001.payload"
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    with pytest.raises(EvaluationError):
        opened_profile(replace(open_run(made.folder), folder=folder), key, None, None)
