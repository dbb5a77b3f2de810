"""A run folder is free, and what somebody else has put into or beside it stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossward.launcher.errors import LauncherError
from crossward.launcher.folder import check_new, check_resumed, new_log
from crossward.ledger.file import FILE_NAME


def test_a_folder_that_is_new_or_empty_or_has_only_logs_of_failed_launches_is_free(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine"
    check_new(folder)
    assert new_log(folder) == folder / "launcher.log"
    check_new(folder)
    assert new_log(folder) == folder / "launcher-2.log" and new_log(folder) == folder / "launcher-3.log"
    check_new(folder)


def test_whatever_else_is_in_it_keeps_a_run_out(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("mine")
    with pytest.raises(LauncherError, match=r"is not empty \(it holds config.json\): name a folder that is empty"):
        check_new(tmp_path)
    (tmp_path / FILE_NAME).touch()
    with pytest.raises(LauncherError, match=f"holds a run already: name another one, or give run.resume={tmp_path}"):
        check_new(tmp_path)
    with pytest.raises(LauncherError, match=r"cannot be used .Not a directory"):
        check_new(tmp_path / "config.json")


def test_only_a_run_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="holds no run"):
        check_resumed(tmp_path / "none")
    (tmp_path / FILE_NAME).touch()
    check_resumed(tmp_path)


def test_a_log_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "launcher.log").write_text("mine")
    assert new_log(tmp_path).name == "launcher-2.log" and (tmp_path / "launcher.log").read_text() == "mine"
    with pytest.raises(LauncherError, match=r"cannot write to .*name another run.folder or --runs-dir"):
        new_log(tmp_path / "launcher.log" / "below")
