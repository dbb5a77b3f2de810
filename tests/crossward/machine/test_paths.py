"""Paths as people write them: expanded, absolute or refused; and whose CROSSWARD_HOME it is."""

from __future__ import annotations

import argparse
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest

from crossward.machine.paths import PathError, absolute, checked, home, looks_like_path, own_folder, path_argument


@pytest.fixture(autouse=True)
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HOME is /home/ada, the working directory an empty folder."""
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.chdir(tmp_path)


def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """This user has no HOME and no entry in the user database, as arbitrary users of a container have none."""

    def unknown(_: Any) -> Any:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_paths_become_absolute_from_the_callers_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/somewhere")
    assert absolute("x/../y") == tmp_path / "y" and absolute("~/x") == Path("/home/ada/x")
    assert absolute("link/z") == tmp_path / "link" / "z"  # a link stays one
    assert absolute("x", base=Path("/b")) == Path("/b/x") and absolute("/x", base=Path("/b")) == Path("/x")
    with pytest.raises(PathError, match=r"data\.path = 'a\\x00b' holds a NUL byte"):
        absolute("a\0b", "data.path")


def test_an_argument_of_the_command_line_is_expanded_wherever_the_shell_leaves_it(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--out", type=path_argument)
    assert parser.parse_args(["--out=~/x"]).out == Path("/home/ada/x")
    assert parser.parse_args(["--out", "x"]).out == tmp_path / "x"
    for wrong, says in (("", "an empty path"), ("~no-such-user/x", "write the path out")):
        with pytest.raises(argparse.ArgumentError, match=says):
            parser.parse_args(["--out", wrong])


def test_a_setting_is_absolute_or_refused() -> None:
    assert checked("", "data.path") == "" and checked("~/x", "data.path") == "/home/ada/x"
    for wrong in ("x", "./x", "$HOME/x", '"/x"'):
        with pytest.raises(PathError, match=r"data\.path = .* is a relative path.*give an absolute one"):
            checked(wrong, "data.path")


def test_what_is_written_as_a_path() -> None:
    assert all(map(looks_like_path, ("/m", "~/m", "./m", "../m", ".")))
    assert not any(map(looks_like_path, ("org/model", "model", "embedded", ".model")))


def test_the_home_is_crossward_home_or_a_folder_in_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSWARD_HOME", raising=False)
    assert home() == Path("/home/ada/.crossward")
    for given, found in (("", "/home/ada/.crossward"), ("/x/../y", "/y"), ("~/x", "/home/ada/x")):
        monkeypatch.setenv("CROSSWARD_HOME", given)
        assert home() == Path(found)
    monkeypatch.setenv("CROSSWARD_HOME", "x")
    with pytest.raises(PathError, match="CROSSWARD_HOME = 'x' is a relative path"):
        home()


def test_without_a_home_directory_crossward_home_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody(monkeypatch)
    monkeypatch.setenv("CROSSWARD_HOME", "/x")
    assert home() == Path("/x")
    monkeypatch.setenv("CROSSWARD_HOME", "~/x")
    with pytest.raises(PathError, match=r"CROSSWARD_HOME = '~/x'.*HOME is not set.*write the path out"):
        home()
    monkeypatch.delenv("CROSSWARD_HOME")
    with pytest.raises(PathError, match=r"HOME is not set.*set CROSSWARD_HOME"):
        home()


def test_a_folder_of_ones_own_is_closed_to_others_and_another_users_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    folder = own_folder("cache")
    assert folder == tmp_path / "home" / "cache" and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert own_folder("cache") == folder
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PathError, match=rf"{folder} belongs to user {os.getuid()}.*set CROSSWARD_HOME to a folder of"):
        own_folder("cache")


def test_every_folder_on_the_way_is_this_users_alone_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path))
    made = own_folder("cache/models")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (made, made.parent)] == [0o700, 0o700]
    (tmp_path / "state").write_text("a file")
    with pytest.raises(PathError, match=r"state cannot be made \(.*\): set CROSSWARD_HOME to a writable folder"):
        own_folder("state")
