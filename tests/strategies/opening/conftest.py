"""Fixtures of federations whose versions a committee opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server_app.run_folder import RunFolder
from tests.strategies.opening.consortium import CommitteeFederation, Make


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine loses is not tested here, and a record is written a thousand times."""
    monkeypatch.setattr("os.fsync", lambda file: None)


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Make]:
    """Makes a :class:`CommitteeFederation`; keywords that are no fields of it are strategy settings."""
    names = set(CommitteeFederation.__dataclass_fields__)
    journals: list[Any] = []

    def make(**keywords: Any) -> CommitteeFederation:
        own = {key: keywords.pop(key) for key in list(keywords) if key in names}
        made = CommitteeFederation(own.pop("folder", tmp_path / "nodes"), **own, given=keywords)
        journals.append(made.journal)
        return made

    yield make
    for journal in journals:
        if isinstance(journal, RunFolder):
            journal.close()
