"""A protected hospital's notes are selected once: by the first run, on disk, before a note is read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from client_app.selection import _FREE, keep_selection
from data import DataConfig
from protocol.settings import SettingsError

RUN = {"data.source": "csv", "data.seed": 0, "data.note-types": "", "data.path": "/a", "train.local-steps": 3}


def test_the_first_run_decides(tmp_path: Path) -> None:
    path = tmp_path / "state" / "selection.json"
    keep_selection(path, RUN)
    keep_selection(path, RUN | {"data.path": "/b", "train.local-steps": 5, "data.max-tokens": 99})
    before = path.read_bytes()
    with pytest.raises(SettingsError) as told:
        keep_selection(path, RUN | {"data.seed": 1, "data.note-types": "Jane"})
    said = str(told.value)
    assert (
        "the run has data.note-types = 'Jane', data.seed = 1" in said
        and "had data.note-types = '', data.seed = 0" in said
    )
    assert "removes selection.json" in said and path.read_bytes() == before


def test_a_key_of_a_later_release_joins_the_selection(tmp_path: Path) -> None:
    path = tmp_path / "selection.json"
    keep_selection(path, RUN)
    keep_selection(path, RUN | {"data.new-filter": ""})
    with pytest.raises(SettingsError, match=r"data\.new-filter = 'x'"):
        keep_selection(path, RUN | {"data.new-filter": "x"})


def test_every_key_that_chooses_notes_is_kept() -> None:
    keys = {entry.metadata["key"] for entry in fields(DataConfig)}
    assert set(_FREE) < keys
    chosen = {"data.source", "data.text-column", "data.patient-column", "data.site-column", "data.label-column"}
    chosen |= {"data.task", "data.labels", "data.note-types", "data.note-hours", "data.max-notes", "data.seed"}
    assert chosen | {"data.test-fraction", "data.encoding"} <= keys - set(_FREE)


@pytest.mark.parametrize("content", ["{", "[1]", "\xff"])
def test_a_damaged_record_is_no_permission(tmp_path: Path, content: str) -> None:
    path = tmp_path / "selection.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"selection\.json in this node's state-dir.* cannot be read.*Restore it"):
        keep_selection(path, RUN)
    assert path.read_bytes() == content.encode("latin-1")


def test_a_selection_that_cannot_be_written_down_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="could not be written to its state-dir"):
        keep_selection(tmp_path / "file" / "selection.json", RUN)
