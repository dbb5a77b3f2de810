"""The quick comparison as a user runs it, all methods and seeds: ``make test-comparison``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossward.cli.app import main
from research.compare.methods import METHODS

pytestmark = [pytest.mark.comparison, pytest.mark.timeout(3600)]


def test_the_quick_comparison_shows_what_is_claimed(tmp_path: Path) -> None:
    assert main(["compare", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "comparison.json").read_text())
    rows = {row["method"]: row for row in found["methods"]}
    assert list(rows) == list(METHODS)
    for name, row in rows.items():
        assert "unavailable" not in row, f"{name}: {row.get('unavailable')}"
        assert len(row["seeds"]) >= 3 and 0 < row["loss"] < 8
    claims = {claim["claim"]: claim for claim in found["claims"]}
    for name in (
        "exact-he-fl",
        "exact-encrypted-sync",
        "exact-hybrid",
        "bytes-compact",
        "bytes-core",
        "bytes-core-llama",
    ):
        assert claims[name]["holds"], claims[name]
    assert claims["quality-loss"]["value"] is not None
    leaks = {name: row["leakage"] for name, row in rows.items()}
    assert leaks["local"] == 0 and leaks["centralised"] == 1 and leaks["fl"] > 0.1
    assert max(leaks["he-fl"], leaks["encrypted"]) < 0.05 and rows["dp-fl"]["epsilon"] <= 8
    assert {path.suffix for path in tmp_path.glob("*.png")} == {".png"}
