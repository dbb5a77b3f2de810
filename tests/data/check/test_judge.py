"""Each warning comes where there is reason for it, and none where all is well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from data.check.findings import Checked, Duplicates, Findings, Lengths, Part
from data.check.judge import warnings

LENGTHS = Lengths(800, 254, 256, 100, 200, 300, 80_000, 20, 0, True, (0,) * 9)
WELL = Checked(
    name="North",
    train=Part(800, 160, 500, 900, 1200),
    test=Part(200, 40, 500, 900, 1200),
    labels={"died": 200, "survived": 800},
    held_out_labels={"died": 40, "survived": 160},
    categories={"Nursing": 1000},
    common={"nursing": 1000},
    notes_per_patient=(5, 9, 12),
    duplicates=Duplicates(3, 4, 2, 1000, 5, 6),
    lengths=LENGTHS,
)
COUNTS = {"read": 1010, "kept": 1000, "empty": 10}


def warned(counts: dict[str, int] = COUNTS, **changes: Any) -> list[str]:
    return list(warnings(Findings(counts, [replace(WELL, **changes)])))


def test_nothing_is_said_where_all_is_well() -> None:
    assert warned() == []


CUT = replace(LENGTHS, longer=400, lost=30_000, divided=False)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"counts": {"read": 1100, "kept": 1000, "unreadable": 100}},
            "100 of 1,100 (9%) rows are left out: unreadable",
        ),
        ({"train": Part(800, 800, 5, 9, 12), "test": Part(200, 200, 5, 9, 12)}, "every note is a patient of its own"),
        ({"train": Part(80, 16, 5, 9, 12), "test": Part(20, 4, 5, 9, 12)}, "20 patients: below 30"),
        ({"test": Part(20, 4, 5, 9, 12)}, "4 held-out patients"),
        ({"labels": {"died": 0, "survived": 1000}}, "every note has the label survived"),
        ({"labels": {"died": 10, "survived": 990}}, "10 of 1,000 (1%) notes have the label died"),
        ({"held_out_labels": {"died": 0, "survived": 200}}, "no held-out note has the label died"),
        ({"lengths": replace(LENGTHS, longer=400)}, "400 of 800 (50%) notes are longer than the 254 tokens that fit"),
        ({"lengths": CUT}, "their middle is cut out, 38% of all tokens"),
        ({"duplicates": Duplicates(500, 0, 0, 1000, 0, 0)}, "500 of 1,500 (33%) notes repeat one of the same patient"),
        ({"duplicates": Duplicates(0, 300, 9, 1000, 0, 0)}, "300 of 1,000 (30%) notes have the text of another"),
        ({"duplicates": Duplicates(0, 0, 0, 1000, 90, 60)}, "150 of 1,000 (15%) notes are nearly another note"),
        ({"common": {"nursing": 500, "none": 500}}, "500 of 1,000 (50%) notes have no common category"),
    ],
)
def test_each_reason_to_look_is_said_once(changes: dict[str, Any], says: str) -> None:
    found = warned(**changes)
    assert len(found) == 1 and says in found[0], found


def test_several_hospitals_are_told_apart() -> None:
    south = replace(WELL, name="South", labels={"survived": 1000})
    (found,) = warnings(Findings(COUNTS, [WELL, south]))
    assert found.startswith("South: every note has the label survived")
