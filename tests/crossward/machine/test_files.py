"""Files appear whole or not at all, whoever else writes them, whatever goes wrong meanwhile."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from crossward.machine.files import replacing, write_atomic, write_new


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[True, False])
def durable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_content_is_replaced_and_nothing_else_stays(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "ä", durable=durable)
    write_atomic(path, b"second", durable=durable)
    assert path.read_bytes() == b"second" and list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_after_an_error_inside_and_while_renaming(
    tmp_path: Path, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_atomic(path, "first", durable=durable)
    with pytest.raises(KeyError), replacing(path, durable=durable) as file:  # noqa: PT012 - an error amid writing
        file.write(b"sec")
        raise KeyError
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        write_atomic(path, "second", durable=durable)
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_a_file_can_be_written_out_of_order(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as file:
        file.write(b"0000 and more")
        file.seek(0)
        file.write(b"1234")
    assert (tmp_path / "a").read_bytes() == b"1234 and more"


def test_a_private_file_is_its_owners_from_the_first_byte(tmp_path: Path) -> None:
    with replacing(tmp_path / "a", private=True) as file:
        assert [mode(draft) for draft in tmp_path.iterdir()] == [0o600]
        file.write(b"x")
    assert mode(tmp_path / "a") == 0o600
    write_atomic(tmp_path / "b", b"x")
    umask = os.umask(0)
    os.umask(umask)
    assert mode(tmp_path / "b") == 0o666 & ~umask


def test_of_several_that_write_a_new_file_one_does(tmp_path: Path) -> None:
    barrier, wrote = threading.Barrier(8), []

    def write(number: int) -> None:
        barrier.wait()
        if write_new(tmp_path / "a", b"%d" % number, private=True):
            wrote.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [int((tmp_path / "a").read_bytes())] == wrote
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and mode(tmp_path / "a") == 0o600


def test_bytes_and_name_are_on_disk_where_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_atomic(tmp_path / "a", b"x", durable=False)
    assert synced == []
    write_atomic(tmp_path / "a", b"x")
    assert len(synced) == 2 and synced[0].startswith(".a.") and synced[1] == tmp_path.name
