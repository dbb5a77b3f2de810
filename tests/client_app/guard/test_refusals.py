"""What of an error leaves a hospital: the text of classes that vouch for it, of others the class and the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from client_app.group.client import WorkerError
from client_app.guard.budget import BudgetError
from client_app.guard.refusals import in_full, redacted
from crossward.adapters import AdapterError, ModelConfig
from crossward.adapters.bases_file import open_bases
from crossward.adapters.errors import LocalFilesError
from crossward.adapters.find import find_model
from crossward.config.settings import SettingsError, read_settings
from crossward.config.strategy_settings import StrategySettings
from data import DataError
from data.labels import icd_chapter


@pytest.mark.parametrize("kind", [SettingsError, AdapterError, BudgetError])
def test_what_is_made_of_settings_is_told(kind: type[Exception]) -> None:
    assert redacted(kind("set x to y")) == f"{kind.__name__}: set x to y"


@pytest.mark.parametrize("kind", [DataError, ValueError, KeyError, RuntimeError, OSError, UnicodeDecodeError])
def test_what_may_be_of_notes_is_not(kind: type[Exception]) -> None:
    error = kind("utf-8", b"Jane", 0, 1, "Jane") if kind is UnicodeDecodeError else kind("Jane")
    assert "Jane" not in redacted(error) and redacted(error).startswith(f"{kind.__name__}: ")
    assert "Jane" in in_full(error)


def test_the_place_is_told_within_the_project() -> None:
    with pytest.raises(SettingsError) as setting:
        read_settings(StrategySettings, {"strategy.name": "zzz"})
    assert "zzz" in redacted(setting.value)
    with pytest.raises(AttributeError) as wrong:
        icd_chapter(3, 9)  # type: ignore[arg-type]
    assert redacted(wrong.value).startswith("AttributeError in data/labels.py, icd_chapter: ")


def test_paths_of_the_runs_choice_are_told_alike_whatever_is_there(tmp_path: Path) -> None:
    (tmp_path / "Jane").mkdir()
    (tmp_path / "cut.safetensors").write_bytes(b"\xff" * 64)
    texts = set()
    for name in ("Jane", "John", "cut.safetensors"):
        with pytest.raises(LocalFilesError) as model:
            find_model(ModelConfig(name=str(tmp_path / name)))
        with pytest.raises(LocalFilesError) as bases:
            open_bases(tmp_path / name, {}, 2, "b")
        texts |= {redacted(model.value), redacted(bases.value)}
        assert str(tmp_path / name) in in_full(model.value) and str(tmp_path / name) in in_full(bases.value)
    with pytest.raises(LocalFilesError) as model:
        find_model(ModelConfig(name="~nobody-of-this-name/Jane"))
    texts.add(redacted(model.value))
    (text,) = texts
    assert str(tmp_path) not in text and "hospital's own log" in text


def test_a_workers_error_is_told_as_the_worker_says() -> None:
    error = WorkerError("DataError: Jane is no column", "DataError in data/tables.py, match_columns: ...")
    assert redacted(error) == "WorkerError: DataError in data/tables.py, match_columns: ..."
    assert "Jane" not in redacted(WorkerError("DataError: Jane"))


def test_a_long_text_is_cut() -> None:
    assert len(redacted(SettingsError("x" * 9999))) == len(in_full(ValueError("x" * 9999))) == 2000
