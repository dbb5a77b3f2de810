"""Available memory is the machine's, or a container's where that has less."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from crossward.machine import memory


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(memory, "_LIMIT", limit)
    monkeypatch.setattr(memory, "_USED", used)
    total = psutil.virtual_memory().total
    assert 0 < memory.available() <= total
    limit.write_text("5000000\n")
    used.write_text("2000000\n")
    assert memory.available() == 3_000_000
    used.write_text("6000000\n")
    assert memory.available() == 0
    limit.write_text("max\n")
    assert memory.available() > 6_000_000
