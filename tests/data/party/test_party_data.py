"""What a party has: its shape is checked, its digest is of all of it, and it survives the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import DataError
from data.party import PartyData
from data.party.stored import load, save

VALUES = np.array([[1.0, np.nan], [3.0, 4.0]])
NOTES = ("well", "ill")
OUTCOME = np.array([0, 1], np.uint8)


def party(**change: Any) -> PartyData:
    given: dict[str, Any] = {"patients": ("a", "b"), "values": VALUES, "names": ("x", "y"), "outcome": OUTCOME} | change
    return PartyData(**given)


def test_the_digest_is_of_all_of_it() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"patients": ("b", "a")},
        {"patients": ("ab", "c")},
        {"values": np.array([[1.0, np.nan], [3.0, 4.5]])},
        {"values": np.array([[1.0, 0.0], [3.0, 4.0]])},
        {"names": ("x", "z")},
        {"names": ("xy", "")},
        {"notes": NOTES},
        {"notes": ("well", "")},
        {"outcome": None},
        {"outcome": 1 - OUTCOME},
    ]
    assert len({party(**change).digest for change in changes}) == len(changes)
    other_nan = VALUES.copy()
    other_nan.view(np.uint64)[0, 1] ^= np.uint64(1)
    assert party(values=other_nan).digest == party().digest == party(values=np.asfortranarray(VALUES)).digest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"patients": ("a", "a")}, "each once"),
        ({"patients": ("a", "")}, "each once"),
        ({"values": VALUES[:1]}, r"values are float64\[1, 2\]: float64\[2, 2\] was expected"),
        ({"values": VALUES.astype(np.float32)}, r"float32\[2, 2\]"),
        ({"values": np.full((2, 2), np.inf)}, "finite"),
        ({"values": None}, "needs features"),
        ({"values": None, "notes": NOTES}, "no names of features"),
        ({"notes": ("well",)}, "notes of 1 patients, and 2"),
        ({"outcome": OUTCOME.astype(int)}, "outcome are int64"),
        ({"outcome": OUTCOME + np.uint8(1)}, "1 where it happened"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        party(**change)


@pytest.mark.parametrize(
    "change", [{}, {"notes": NOTES}, {"values": None, "names": (), "notes": NOTES}, {"outcome": None}]
)
def test_it_is_the_same_from_disk(change: dict[str, Any], tmp_path: Path) -> None:
    data = party(**change)
    save(tmp_path, data)
    assert load(tmp_path).digest == data.digest


def test_rows_are_taken_in_an_order() -> None:
    found = party(notes=NOTES).take(np.array([1]))
    assert (found.patients, found.notes, found.outcome.tolist()) == (("b",), ("ill",), [1])  # type: ignore[union-attr]
    assert found.values.tolist() == [[3.0, 4.0]]  # type: ignore[union-attr]
