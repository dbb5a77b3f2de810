"""Entries are whole or absent, whoever builds them and however often at once."""

import functools
import os
import stat
from pathlib import Path

import pytest

from data import DataConfig, DataError, load_hospitals
from data.cache import cached, digest
from tests.at_once import at_once


def _hospital_texts(number: int) -> list[list[str]]:
    config = DataConfig(synthetic_patients=40, seed=number // 100)
    return [hospital.train["text"][:] for hospital in load_hospitals(config, 4)]


def test_four_processes_build_the_same_at_once(fresh_home: Path) -> None:
    found = at_once([functools.partial(_hospital_texts, number) for number in range(4)])
    assert found[0] == found[1] == found[2] == found[3]
    assert not [p for p in fresh_home.rglob("*") if p.name.startswith(".")]  # nothing half-built is left


def test_a_broken_entry_is_built_again(fresh_home: Path) -> None:
    before = _hospital_texts(0)
    for path in fresh_home.glob("cache/*/*/*"):
        path.write_bytes(path.read_bytes()[:-10])
    assert _hospital_texts(0) == before
    for path in fresh_home.glob("cache/*/*/complete.json"):
        path.unlink()
    assert _hospital_texts(0) == before


def test_a_failed_build_leaves_nothing(fresh_home: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise DataError("no")

    with pytest.raises(DataError):
        cached("things", "key", fail)
    assert list((fresh_home / "cache" / "things").iterdir()) == []

    def work(folder: Path) -> None:
        (folder / "whole").write_text("whole")

    made = cached("things", "key", work)
    assert (made / "whole").read_text() == "whole"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700  # it holds notes


def test_a_cache_that_cannot_be_written_says_so(fresh_home: Path) -> None:
    (fresh_home / "cache").write_text("a file")
    with pytest.raises(DataError, match="CROSSWARD_HOME"):
        cached("things", "key", lambda folder: None)


def test_nothing_of_another_users_is_taken_for_broken_and_removed(
    fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (entry := fresh_home / "cache" / "things" / "key").mkdir(parents=True)
    (entry / "theirs").write_text("theirs")  # without complete.json, as one that cannot be read seems to be
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(DataError, match=r"belongs to user .* set CROSSWARD_HOME to a folder of your own"):
        cached("things", "key", lambda folder: None)
    assert (entry / "theirs").read_text() == "theirs" and len(list(entry.parent.iterdir())) == 1


def test_digest_tells_values_apart() -> None:
    assert digest("a", 1) == digest("a", 1) != digest("a", "1")
