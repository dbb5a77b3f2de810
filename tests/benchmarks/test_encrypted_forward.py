"""The benchmark of encrypted forward measures real products, and packing saves what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("heu", reason="sf-heu has a build for Python 3.11 only")

from benchmarks.encrypted_forward.__main__ import BACKWARD, FORWARD, UNPACKED, main


def test_rows_are_of_products_within_their_bounds_and_packing_saves_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tmp_path / "found.json"
    assert main(["--patients", "6", "--width", "2", "--columns", "1", "--json", str(found)]) == 0
    rows = {row["product"]: row for row in json.loads(found.read_text("utf-8"))["rows"]}
    assert set(rows) == {FORWARD, BACKWARD, UNPACKED}
    for row in rows.values():
        assert 0 < row["error"] <= row["bound"] < 1e-3 and row["multiply_seconds"] > 0
    assert rows[FORWARD]["slots"] == 6 and rows[UNPACKED]["slots"] == 1
    assert 5 < rows[UNPACKED]["bytes_a_patient"] / rows[FORWARD]["bytes_a_patient"] < 6.5
    assert "h^T dz" in capsys.readouterr().out
