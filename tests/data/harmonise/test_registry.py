"""The steps in their order, each of which a hospital can switch off."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

import pytest

from crossward.config.data_settings import DataConfig
from crossward.config.harmonising import SECTIONS, STEPS, TEXT_STEPS
from data.cleaning import clean
from data.harmonise import Harmoniser
from data.synthetic.tables import records

ROW = {
    "time": ["2019-05-04 10:00"],
    "category": ["Physician "],
    "text": ["**HPI**\nseen by [NAME]"],
}


def test_every_name_is_a_step(described: Any) -> None:
    for name in STEPS:
        step = resolve_name(f"data.harmonise.{name}:Step")(described())
        assert callable(step) and step.report() == ""
    assert set(TEXT_STEPS) <= set(STEPS)


def test_all_steps_in_their_order(piece: Any, described: Any) -> None:
    harmonise = Harmoniser(described({"skip": ()}))
    (got,) = harmonise(iter([piece(**ROW)]))
    assert got.column_names[-1] == "kind" and harmonise.reports() == []
    assert {name: got[name][0].as_py() for name in (*ROW, "kind")} == {
        "time": "2019-05-04T10:00",
        "category": "Physician ",
        "text": "History of Present Illness:\nseen by ___",
        "kind": "progress",
    }


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_is_switched_off_changes_nothing(piece: Any, described: Any, name: str) -> None:
    (everything,) = Harmoniser(described({"skip": ()}))(iter([piece(**ROW)]))
    (without,) = Harmoniser(described({"skip": (name,)}))(iter([piece(**ROW)]))
    changed = {column for column in everything.column_names if everything[column] != without[column]}
    (column,) = {
        "times": {"time"},
        "categories": {"kind"},
        "labels": {""},
        "deidentification": {"text"},
        SECTIONS: {"text"},
    }[name]
    assert changed == ({column} if column else set())
    if column and column != "kind":
        assert without[column][0].as_py() != everything[column][0].as_py()


def test_without_a_notes_toml_texts_stay_as_they_were() -> None:
    """Byte for byte: what a run's keys alone describe is read as before there were steps."""
    harmonise = Harmoniser(DataConfig(source="csv"))
    assert not {type(step).__module__.rpartition(".")[2] for step in harmonise.steps} & set(TEXT_STEPS)


def test_made_up_notes_read_the_same_with_one_mark(piece: Any, described: Any) -> None:
    """The marks of MIMIC-III come out as cleaning has them, and no heading in brackets is taken for one."""
    notes = [note.text for record in records(12, 4, seed=3) for note in record.notes]
    (got,) = Harmoniser(described())(iter([piece(text=notes)]))
    assert clean(got["text"].combine_chunks()) == clean(piece(text=notes)["text"].combine_chunks())
    assert any("[**" in note for note in notes) and any("\n[" in note for note in notes)
