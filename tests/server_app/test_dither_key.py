"""The key of a run's dither: beside the run folder, for its owner alone, the same after a restart."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from server_app.dither_key import DitherKeyError, key_path, run_dither


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_it_is_made_once_for_a_lineage_and_nobody_else_reads_it(home: Path) -> None:
    made = run_dither("aa")
    assert run_dither("aa", resumed=True).key == made.key != run_dither("bb").key
    assert key_path("aa") == home / "dither" / "aa.key"
    assert key_path("aa").stat().st_mode & 0o777 == 0o600 and key_path("aa").parent.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in key_path("aa").parent.iterdir()) == ["aa.key", "bb.key"]


def test_a_run_that_lost_it_goes_on_under_a_new_one_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    before = run_dither("aa").key
    key_path("aa").unlink()
    with caplog.at_level(logging.WARNING, "flwr"):
        logging.getLogger("flwr").addHandler(caplog.handler)
        try:
            after = run_dither("aa", resumed=True).key
        finally:
            logging.getLogger("flwr").removeHandler(caplog.handler)
    assert after != before and "is missing: new versions are made under a new one" in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has 0 bytes"),
        (b"00" * 31, "it has 31 bytes"),
        (b"xy", "it is not hexa"),
        (b"\xff\xfe", "it is not hexa"),
    ],
)
def test_a_damaged_one_is_refused_by_name(content: bytes, reason: str) -> None:
    run_dither("aa")
    key_path("aa").write_bytes(content)
    with pytest.raises(DitherKeyError, match=rf"aa\.key cannot be used \({reason}.*64 hexadecimal digits.*remove it"):
        run_dither("aa", resumed=True)


def test_a_home_that_cannot_be_written_is_named(home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(DitherKeyError, match=r"aa\.key cannot be written .*check CROSSWARD_HOME"):
        run_dither("aa")


def test_one_that_others_can_read_is_refused() -> None:
    run_dither("aa")
    key_path("aa").chmod(0o640)
    with pytest.raises(DitherKeyError, match=r"aa\.key can be read by others: chmod 600"):
        run_dither("aa", resumed=True)


@pytest.mark.parametrize("lineage", ["", "../aa", "a/b", "a" * 65, "a\n", ".."])
def test_a_run_folder_cannot_choose_another_path(home: Path, lineage: str) -> None:
    with pytest.raises(DitherKeyError, match="is not 1 to 64 letters, digits"):
        run_dither(lineage, resumed=True)
    assert not home.exists()
