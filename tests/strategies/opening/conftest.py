"""Fixtures of federations whose versions a committee opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.strategies.conftest import makes
from tests.strategies.opening.consortium import CommitteeFederation, Make


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine loses is not tested here, and a record is written a thousand times."""
    monkeypatch.setattr("os.fsync", lambda file: None)


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Make]:
    """Makes a :class:`CommitteeFederation`; keywords that are no fields of it are strategy settings."""
    yield from makes(CommitteeFederation, tmp_path)
