"""A protected hospital's notes are selected once, by the first run that could read them, and on disk before it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from client_app.guard.selection import MOST_TRIED, Selection
from crossward.config.settings import SettingsError, keyed, read_settings
from data import DataConfig

RUN = {"data.source": "csv", "data.seed": 0, "data.note-types": "", "data.path": "/a"}


def selection(path: Path, run: dict[str, Any], own: tuple[str, ...] = ()) -> Selection:
    return Selection(path, read_settings(DataConfig, run), own)


def taken(path: Path, changes: dict[str, Any], run: dict[str, Any] = RUN) -> bool:
    """Whether a run whose notes can be read is taken part in."""
    one = selection(path, run | changes)
    try:
        one.check()
    except SettingsError as error:
        assert "Nothing was read, trained or sent" in str(error) and "selection.json in its state-dir" in str(error)
        return False
    one.keep()
    return True


def test_the_first_run_decides(tmp_path: Path) -> None:
    path = tmp_path / "state" / "selection.json"
    assert taken(path, {})
    assert taken(path, {"data.path": "/b", "data.max-tokens": 99, "data.min-patients": 9})
    before = path.read_bytes()
    with pytest.raises(SettingsError) as raised:
        selection(path, RUN | {"data.seed": 1, "data.note-types": "Jane"}).check()
    message = str(raised.value)
    assert "the run has data.note-types = 'Jane', data.seed = 1" in message
    assert "had data.note-types = '', data.seed = 0" in message
    assert path.read_bytes() == before


FREE = {"data.path", "data.max-tokens", "data.packing", "data.synthetic-patients"}
FREE |= {"data.dirichlet-alpha", "data.min-patients"}
OTHER = {"data.source": "jsonl", "data.partition": "even", "data.task": "label", "data.label": "icd-chapter"}


@pytest.mark.parametrize("key", sorted({str(f.metadata["key"]) for f in keyed(DataConfig)} - FREE))
def test_another_value_is_another_selection(tmp_path: Path, key: str) -> None:
    """Of every key that is not known to choose no notes and no patients."""
    default = {str(f.metadata["key"]): f.default for f in keyed(DataConfig)}[key]
    plus: dict[type, Any] = {str: "x", int: 1, float: 0.3}
    other = OTHER.get(key, not default if isinstance(default, bool) else default + plus.get(type(default), 0))
    assert taken(tmp_path / "selection.json", {}) and not taken(tmp_path / "selection.json", {key: other})


def test_a_key_that_is_left_out_is_its_default(tmp_path: Path) -> None:
    path = tmp_path / "selection.json"
    assert taken(path, {"data.seed": 7})
    assert not taken(path, {}, {"data.source": "csv"}) and taken(path, {"data.seed": 7}, {"data.source": "csv"})


def test_made_up_notes_are_no_selection_but_so_many_tries_are_answers(tmp_path: Path) -> None:
    path = tmp_path / "selection.json"
    assert taken(path, {"data.source": "synthetic"}) and not path.exists()  # nobody's notes
    for number in range(MOST_TRIED - 1):
        for _ in range(2):  # the same again is no further try
            selection(path, RUN | {"data.note-types": f"Jane {number}"}).check()  # its notes could not be read
    assert taken(path, {}) and not taken(path, {"data.note-types": "Jane 0"})

    path = tmp_path / "another" / "selection.json"
    for number in range(MOST_TRIED):
        selection(path, RUN | {"data.note-types": f"Jane {number}"}).check()
    assert not taken(path, {})
    assert taken(path, {"data.note-types": "Jane 1"})


def test_a_record_of_the_time_when_a_column_had_a_key_of_its_own_still_holds(tmp_path: Path) -> None:
    path, label = tmp_path / "selection.json", {"data.task": "label", "data.label": "died"}
    assert taken(path, label)
    kept = json.loads(path.read_text())
    kept["kept"] |= {"data.label": "mortality", "data.label-column": "died"}
    path.write_text(json.dumps(kept))
    assert taken(path, label) and not taken(path, label | {"data.label": "sex"})


def test_two_runs_at_once_do_not_both_decide(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / f"{number}" / "selection.json"

        def run(seed: int, path: Path = path) -> int | None:
            try:
                return seed if taken(path, {"data.seed": seed}) else None
            except SettingsError as error:  # the other was first to read its notes
                assert "with another selection" in str(error)
                return None

        with ThreadPoolExecutor(2) as pool:
            (winner,) = [seed for seed in pool.map(run, (1, 2)) if seed is not None]
        assert json.loads(path.read_text())["kept"]["data.seed"] == winner


def test_what_the_hospital_sets_itself_it_may_change(tmp_path: Path) -> None:
    path, own = tmp_path / "selection.json", ("data.patient-column",)
    for column in ("subject", "mrn"):
        one = selection(path, RUN | {"data.patient-column": column}, own)
        one.check()
        one.keep()
        assert column not in path.read_text()


@pytest.mark.parametrize(
    "content", ["{", "[1]", "\xff", "{}", '{"kept": 3, "tried": []}', '{"kept": null, "tried": 1}']
)
def test_a_damaged_record_is_no_permission(tmp_path: Path, content: str) -> None:
    path = tmp_path / "selection.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"selection\.json in this node's state-dir.* cannot be read.*Restore it"):
        selection(path, RUN).check()
    assert path.read_bytes() == content.encode("latin-1")


def test_a_selection_that_cannot_be_written_down_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="could not be written to its state-dir"):
        selection(tmp_path / "file" / "selection.json", RUN).check()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crossward.machine.files.os.fsync", full)
    with pytest.raises(SettingsError, match="No space left on device"):
        selection(tmp_path / "selection.json", RUN).check()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "selection.lock"]
