"""The ways that are compared read the same rows, and a way that does not is noticed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.reading.__main__ import check, one, summary
from benchmarks.reading.files import CSV, converted
from benchmarks.reading.ways import WAYS, run


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    with (tmp_path / CSV).open("w", newline="", encoding="utf-8") as file:
        rows = [[i, i, 100 + i, "Nursing", f'Note {i}: "well",\nÜ'] for i in range(50)]
        csv.writer(file).writerows([["ROW_ID", "SUBJECT_ID", "HADM_ID", "CATEGORY", "TEXT"], *rows])
    return tmp_path


def test_all_ways_read_the_same_of_every_format(release: Path) -> None:
    """In this process, whose memory is not that of a way: it holds whatever tests before this one have imported."""
    tries = [(way, path) for path in converted(release, 1).values() for way in WAYS]
    rows = [summary(way, path, [{**run(way, path), "peak_mb": 0.0}] * 2) for way, path in tries]
    assert len(rows) == 9 and {row["rows"] for row in rows} == {50} and not check(rows)
    rows[4]["rows"] = 49
    assert "read different rows" in check(rows)[0]


def test_too_much_memory_is_noticed(release: Path) -> None:
    row = summary("ours", release / CSV, [one("ours", release / CSV)])
    assert not check([row]) and row["peak_mb"] > 1
    assert "are above 600 MB" in check([{**row, "peak_mb": 601.0}])[0]
