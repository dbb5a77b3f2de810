"""The committee's benchmark measures whole, exact versions and says what travels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.encryption import committee


def test_it_prints_a_row_for_bfv_and_each_committee(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.json"
    committee.main(["--values", "4000", "--clients", "3", "--repeats", "1", "--json", str(out)])
    rows = {row["name"]: row for row in json.loads(out.read_text())}
    assert list(rows) == ["bfv compact", "committee J=3 t=1", "committee J=4 t=1", "committee J=4 t=2"]
    printed = capsys.readouterr().out
    for name, row in rows.items():
        assert name in printed and row["seal_mvalues_per_s"] > 0
        if name != "bfv compact":
            assert row["up_bytes_per_value"] == row["down_bytes_per_value"] == row["share_bytes_per_value"] == 1.875
            assert row["boxes_bytes_per_value"] < 2  # of 4,000 values; a box is 1.2 kB whatever their number
