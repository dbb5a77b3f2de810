"""Folders for sockets are short however long TMPDIR is."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from crossward.machine import temporary
from crossward.machine.temporary import short_folder, socket_folder


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A TMPDIR of 109 characters."""
    folder = tmp_path / ("x" * (108 - len(str(tmp_path))))
    folder.mkdir()
    assert len(str(folder)) == 109
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_socket_fits_where_tmpdir_is_too_long_for_one(long: Path) -> None:
    folder = socket_folder("cwg-", "group.sock")
    try:
        assert not folder.is_relative_to(long) and list(long.iterdir()) == []
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as one:
            with pytest.raises(OSError, match="AF_UNIX path too long"):
                one.bind(str(long / "cwg-12345678" / "group.sock"))
            one.bind(str(folder / "group.sock"))
    finally:
        (folder / "group.sock").unlink(missing_ok=True)
        folder.rmdir()


def test_the_usual_place_is_taken_where_it_is_short_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert short_folder("cw-", 200).parent == tmp_path
    elsewhere = short_folder("cw-", 200, lambda folder: folder.parent != tmp_path)
    try:
        assert elsewhere.parent != tmp_path
    finally:
        elsewhere.rmdir()


def test_without_any_short_place_the_error_names_the_remedy(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "_PLACES", (str(long), "/nowhere"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    assert (kept := short_folder("cw-", 50)).parent == long
    with pytest.raises(OSError, match=r"too long .*set TMPDIR to a short folder"):
        socket_folder("cwg-", "group.sock")
    assert list(long.iterdir()) == [kept]
