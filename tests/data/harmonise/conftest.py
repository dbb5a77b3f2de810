"""Pieces of notes, and configurations of hospitals that describe theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from crossward.config.data_settings import DataConfig
from crossward.config.notes_settings import NotesConfig
from data.readers import COLUMNS

Piece = Callable[..., pa.Table]


@pytest.fixture
def piece() -> Piece:
    """A piece with the columns given; each row is its own patient unless said otherwise."""

    def make(**columns: list[str]) -> pa.Table:
        rows = len(next(iter(columns.values())))
        given = {"patient_id": [str(i) for i in range(rows)]} | columns
        return pa.table({name: pa.array(given.get(name, [""] * rows), pa.string()) for name in COLUMNS})

    return make


@pytest.fixture
def described() -> Callable[..., DataConfig]:
    """A run's configuration at a hospital with a notes.toml that says ``notes``."""

    def make(notes: dict[str, Any] | None = None, **run: Any) -> DataConfig:
        said = {"source": "csv", "path": "/a.csv", "columns": (("text", "t"),), "file": "/notes.toml"} | (notes or {})
        return DataConfig(source=said["source"], path="/a.csv", described=NotesConfig(**said), **run)

    return make
