"""Configuration files at the door: every wrong thing is named with its file, key and expectation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crossward.deploy import files
from crossward.deploy.errors import DeployError
from crossward.deploy.files import check_private, read_table, replace, write_new


@dataclass(frozen=True)
class Config:
    name: str = field(metadata={"key": "name", "help": "what it is called"})
    file: Path = field(metadata={"key": "the-file", "help": "where it is"})
    port: int = field(default=1, metadata={"key": "port", "help": "where it listens"})


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.toml"
    path.write_text(text)
    return path


def test_a_table_is_read_with_paths_from_its_own_folder(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "x"\nthe-file = "a/../b.key"\n[more]\nkey = 1\n')
    config, more = read_table(Config, path, "more")
    assert config == Config("x", tmp_path / "b.key", 1) and more == {"key": 1}
    absolute = write(tmp_path, 'name = "x"\nthe-file = "/etc/b.key"\n')
    assert read_table(Config, absolute)[0].file == Path("/etc/b.key")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", r"some\.toml is not TOML"),
        ('name = "x"', r"the-file is missing \(where it is\)"),
        ('nme = "x"', r"unknown key 'nme'; there are name, port, the-file"),
        ('name = 3\nthe-file = "x"', r"name = 3 is not a text"),
        ('name = "x"\nthe-file = 3', r"the-file = 3 is not a path"),
        ('name = "x"\nthe-file = "x"\nport = "1"', r"port = '1' is not a whole number"),
        ('name = "x"\nthe-file = "x"\nport = true', r"port = True is not a whole number"),
        ('name = "x"\nthe-file = "x"\nmore = 1', r"\[more\] must be a table"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DeployError, match=says):
        read_table(Config, write(tmp_path, text), "more")


def test_a_file_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(DeployError, match="cannot be read"):
            read_table(Config, path)


def test_secrets_are_written_once_and_privately(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.key"
    write_new(path, b"one", secret=True)
    check_private(path, "a key")
    with pytest.raises(DeployError, match="already exists"):
        write_new(path, b"two", secret=True)
    assert path.read_bytes() == b"one" and [p.name for p in path.parent.iterdir()] == ["a.key"]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeployError, match="could not be written"):
        write_new(tmp_path / "file" / "a.key", b"", secret=True)


class Stopped(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: object = None) -> Stopped:
        return cls(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_every_file_that_is_replaced_is_kept_however_soon_the_next_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "datetime", Stopped)
    path, new = tmp_path / "a.key", tmp_path / "new"
    for content in (b"first", b"second", b"third"):
        write_new(new, content, secret=True)
        replace(path, new)
        check_private(path, "a key")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "a.key": b"third",
        "a.key.20260203T040506Z": b"first",
        "a.key.20260203T040506Z-2": b"second",
    }


def test_a_link_that_is_replaced_stays_a_link_beside_it(tmp_path: Path) -> None:
    path, new = tmp_path / "a.crt", tmp_path / "new"
    (tmp_path / "store.crt").write_bytes(b"old")
    path.symlink_to("store.crt")
    new.write_bytes(b"new")
    replace(path, new)
    (kept,) = tmp_path.glob("a.crt.*")
    assert path.read_bytes() == b"new" and not path.is_symlink()
    assert kept.is_symlink() and kept.read_bytes() == b"old"
