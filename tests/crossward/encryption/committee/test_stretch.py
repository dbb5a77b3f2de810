"""What was opened is on the disk before an answer leaves, whatever happens; a closed stretch stays closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossward.encryption.committee.boxes import BoxError, SealingKey, seal
from crossward.encryption.committee.stretch import Stretch, StretchError, lists_in


@pytest.fixture
def stretch(tmp_path: Path) -> Stretch:
    return Stretch.create(tmp_path, "lineage", 1)


def again(folder: Path) -> Stretch:
    return Stretch.load(folder, "lineage", 1)


def test_a_list_is_claimed_once_for_its_updates_and_as_often_as_asked_for_itself(
    tmp_path: Path, stretch: Stretch
) -> None:
    stretch.claim("list-1", ["a/1", "b/1"])
    size = (tmp_path / "1.opened").stat().st_size
    stretch.claim("list-1", ["b/1", "a/1"])
    again(tmp_path).claim("list-1", ["a/1", "b/1"])
    assert (tmp_path / "1.opened").stat().st_size == size
    for holder in (stretch, again(tmp_path)):
        with pytest.raises(StretchError, match="a/1 was opened before, in the list list-1: an update is opened once"):
            holder.claim("list-2", ["a/1", "c/1"])
        with pytest.raises(StretchError, match="a/1 was opened before"):
            holder.claim("list-1", ["a/1"])
    stretch.claim("list-2", ["a/2", "c/1"])


def test_what_was_opened_is_listed_for_whoever_checks_it(tmp_path: Path, stretch: Stretch) -> None:
    stretch.claim("list-1", ["b/1", "a/1"])
    other = Stretch.create(tmp_path, "lineage", 2)
    other.claim("list-1", ["c/1"])
    other.destroy()
    with (tmp_path / "2.opened").open("a") as file:
        file.write('{"list": "torn')
    assert list(lists_in(tmp_path)) == [("list-1", ["a/1", "b/1"]), ("list-1", ["c/1"])]
    assert list(lists_in(tmp_path / "none")) == []
    (tmp_path / "1.opened").write_text("{}\n[]\n")
    with pytest.raises(StretchError, match=r"1.opened is damaged"):
        list(lists_in(tmp_path))


def test_nothing_is_claimed_unless_it_is_on_the_disk(stretch: Stretch, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(StretchError, match="Input/output error"):
            stretch.claim("list-1", ["a/1"])
    assert stretch._record.read_bytes().count(b"\n") == 1
    stretch.claim("list-2", ["a/1"])


def test_the_line_is_synced_before_claim_returns(stretch: Stretch, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, write, sync = [], os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda file, data: (calls.append("write"), write(file, data))[1])
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("fsync"), sync(file))[1])
    stretch.claim("list-1", ["a/1"])
    assert calls == ["write", "fsync"]
    stretch.claim("list-1", ["a/1"])
    assert calls == ["write", "fsync", "fsync"]


def test_a_process_that_dies_right_after_writing_has_claimed(tmp_path: Path, stretch: Stretch) -> None:
    child = os.fork()
    if not child:
        stretch.claim("list-1", ["a/1"])
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    stretch.claim("list-1", ["a/1"])
    with pytest.raises(StretchError, match="a/1 was opened before"):
        again(tmp_path).claim("list-2", ["a/1"])


def test_a_torn_last_line_was_never_answered_and_goes(tmp_path: Path, stretch: Stretch) -> None:
    stretch.claim("list-1", ["a/1"])
    path = tmp_path / "1.opened"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"list": "list-2", "upd')
    found = again(tmp_path)
    assert path.read_bytes() == whole
    found.claim("list-3", ["b/1"])
    with pytest.raises(StretchError, match="a/1 was opened before"):
        found.claim("list-4", ["a/1"])


@pytest.mark.parametrize("spoiled", [b"", b"{}\n", b"x\n", b'{"list": 1}\n'])
def test_a_record_that_cannot_be_read_opens_nothing(tmp_path: Path, stretch: Stretch, spoiled: bytes) -> None:
    path = tmp_path / "1.opened"
    path.write_bytes((path.read_bytes() if b"list" in spoiled else b"") + spoiled)
    for attempt in (lambda: again(tmp_path), lambda: stretch.claim("list-1", ["a/1"])):
        with pytest.raises(StretchError, match=r"is damaged: begin a new stretch|is not the record of stretch 1"):
            attempt()


def test_a_key_without_its_record_is_not_used(tmp_path: Path, stretch: Stretch) -> None:
    (tmp_path / "1.opened").unlink()
    for attempt in (lambda: again(tmp_path), lambda: stretch.claim("list-1", ["a/1"])):
        with pytest.raises(StretchError, match="the record of what was opened, cannot be opened"):
            attempt()
    assert not (tmp_path / "1.opened").exists()


def test_files_are_private_and_never_overwritten(tmp_path: Path, stretch: Stretch) -> None:
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    with pytest.raises(StretchError, match="exists already: begin a stretch of another number"):
        Stretch.create(tmp_path, "lineage", 1)
    (tmp_path / "1.key").chmod(0o640)
    with pytest.raises(StretchError, match="can be read by others"):
        again(tmp_path)
    (tmp_path / "1.key").chmod(0o600)
    with pytest.raises(StretchError, match="is not the record of stretch 1 of another"):
        Stretch.load(tmp_path, "another", 1)
    (tmp_path / "1.key").write_bytes(b"short")
    with pytest.raises(StretchError, match="has 5 bytes, expected 96"):
        again(tmp_path)


def test_a_destroyed_key_opens_nothing_that_was_sealed_to_it(tmp_path: Path, stretch: Stretch) -> None:
    box = seal(stretch.key.public, b"seeds", b"info")
    assert again(tmp_path).key.open(box, b"info") == b"seeds"
    stretch.destroy()
    with pytest.raises(StretchError, match=r"there is no sealing key at .*: the stretch is closed"):
        again(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1.opened"]
    following = Stretch.create(tmp_path, "lineage", 2)
    for key in (following.key, SealingKey.generate()):
        with pytest.raises(BoxError):
            key.open(box, b"info")
    with pytest.raises(StretchError, match="exists already"):
        Stretch.create(tmp_path, "lineage", 1)
