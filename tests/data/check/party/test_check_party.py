"""What is said of a party is right, warns of what would spoil a run, and names nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossward.alignment.identifiers import Normalisation, own_rules
from crossward.config.party_toml import read_party_toml
from data.check.party import PartyFindings, Spelling, check_party
from data.check.party.findings import Feature, Identifiers, OutcomeCounts
from data.check.party.judge import warnings

PARTY = 'name = "Members"\nfeatures = "table"\npath = "members.csv"\n[columns]\npatient = "member"\n'
OUTCOME = '[outcome]\ncolumn = "died"\n'
HEAD = "member,age,score,ward,rare,last_ward,died"
PREFIX = '[identifiers]\nprefix = "M-"\n'


def row(number: int, written: str = "M-{:05d}") -> str:
    """Patient ``number``, of whom every third died: as last_ward says, which follows from it, and no other column."""
    died = number % 3 == 0
    rare = f"{number % 7}" if number % 5 == 0 else ""
    last = "morgue" if died else "home"
    return f"{written.format(number)},{30 + number * 7 % 50},7,{'AB'[number % 2]},{rare},{last},{int(died)}"


@pytest.fixture
def members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a party of these rows, 60 by default, and return its party.toml."""
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))

    def write(rows: list[str] | None = None, more: str = OUTCOME) -> Path:
        rows = [row(number) for number in range(1, 61)] if rows is None else rows
        (tmp_path / "members.csv").write_text("\n".join([HEAD, *rows]) + "\n")
        (tmp_path / "party.toml").write_text(PARTY + more)
        return tmp_path / "party.toml"

    return write


def of(path: Path) -> PartyFindings:
    config = read_party_toml(path)
    own, shared = own_rules(config.prefix), Normalisation()
    return check_party(config, Spelling(lambda name: shared(own(name)), shared))


def says(found: PartyFindings, text: str) -> bool:
    return any(text in warning for warning in found.warnings)


def test_features_outcomes_and_identifiers_are_counted(members: Callable[..., Path]) -> None:
    found = of(members(more='[table]\nuse = ["age", "score", "ward", "rare"]\n' + OUTCOME + PREFIX))
    features = {one.name: one for one in found.features}
    age = features["age"]
    ages = sorted(30 + number * 7 % 50 for number in range(1, 61))
    assert (age.patients, age.low, age.median, age.high) == (60, ages[0], (ages[29] + ages[30]) / 2, ages[-1])
    assert features["rare"].patients == 12 and features["score"].low == features["score"].high == 7
    assert found.outcome == OutcomeCounts(20, 40) and found.window is None and found.cohort == {}
    assert found.counts == {"read": 60, "kept": 60}
    ids = found.identifiers
    assert (ids.distinct, ids.changed, ids.prefixed, ids.digits, ids.shortest, ids.longest) == (60, 60, 60, 60, 1, 2)
    assert not found.refused and not says(found, "identifiers")
    assert says(found, "missing in most patients: rare (80%)") and says(found, "the same for all patients who")
    assert not says(found, "tells the outcome")


def test_a_column_that_follows_from_the_outcome_is_warned_of_at_the_label_holder(members: Callable[..., Path]) -> None:
    found = of(members())
    (text,) = [warning for warning in found.warnings if "tells the outcome" in warning]
    assert "last_ward = morgue (1.00)" in text and "age" not in text and "ward = B" not in text
    assert all(one.auroc is None for one in of(members(more="")).features)


def test_a_column_that_only_the_dead_have_is_warned_of(members: Callable[..., Path]) -> None:
    lines = [row(number).replace(",morgue,", f",{number % 4},").replace(",home,", ",,") for number in range(1, 61)]
    assert says(of(members(lines)), "tells the outcome almost alone (AUROC): last_ward (1.00)")


def test_identifiers_that_are_the_same_by_the_rules_are_refused(members: Callable[..., Path]) -> None:
    found = of(
        members([*(row(number) for number in range(1, 61)), row(7, "m {:05d}"), row(8, "M.{:05d}"), row(9, "-")])
    )
    ids = found.identifiers
    assert (ids.repeated, ids.empty, ids.distinct) == (2, 1, 60)
    assert "2 of 63 are the same as another and of 1 nothing is left" in found.refused and found.refused in (
        found.warnings
    )


def test_a_prefix_that_is_not_there_or_is_not_named_is_warned_of(members: Callable[..., Path]) -> None:
    mixed = [row(number, "M-{:05d}" if number > 6 else "{:05d}") for number in range(1, 61)]
    assert says(of(members(mixed, OUTCOME + PREFIX)), "6 of 60 (10%) identifiers do not begin with identifiers.prefix")
    assert says(of(members(mixed)), "54 of 60 (90%) identifiers hold letters, the others are digits alone")


def test_small_numbers_of_outcomes_are_not_told(members: Callable[..., Path]) -> None:
    found = of(members([row(number) for number in range(1, 28)]))
    assert found.outcome == OutcomeCounts(None, None), "9 of 27 died"
    assert says(found, "fewer than 10 patients have the outcome") and says(found, "27 patients: below 30")
    assert all(one.auroc is None for one in found.features)


def test_a_text_of_few_patients_is_no_name_of_a_feature(members: Callable[..., Path]) -> None:
    found = of(members([row(number).replace(",A,", ",A,").replace(",B,", ",Mrs Quill,") for number in range(1, 9)], ""))
    assert "Quill" not in repr(found), "4 patients have it"
    lines = [row(number).replace(",B,", ",East,") for number in range(1, 61)]
    assert "ward = East" in {one.name for one in of(members(lines)).features}


def test_values_of_few_patients_are_not_shown(members: Callable[..., Path]) -> None:
    found = of(members([row(number) for number in range(1, 22)]))
    (rare,) = [one for one in found.features if one.name.startswith("rare")]
    assert rare.patients == 4 and (rare.low, rare.median, rare.high) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"counts": {"read": 100, "kept": 90, "without a number": 10}}, "10 of 100 (10%) rows of the cohort are left"),
        ({"cohort": {"kept": 40, "have no value in their window": 60}}, "of 100 patients of the cohort 60 have no val"),
        ({"features": (Feature("Sodium", 19, 1, 2, 3),)}, "missing in most patients: Sodium (52%)"),
        ({"features": tuple(Feature(f"f{n}", 1, None, None, None) for n in range(14))}, "f11 (98%), 2 more"),
    ],
)
def test_what_is_worth_a_look_is_said(change: dict[str, Any], text: str) -> None:
    ids = Identifiers(40, 0, 0, 0, 0, 40, 5, 5)
    usual: dict[str, Any] = {
        "counts": {"read": 100, "kept": 50, "outside the window": 49, "without a number": 1},
        "cohort": {"kept": 60, "have no value in their window": 40},
        "features": (Feature("Sodium", 30, 1, 2, 3, 0.8),),
    }
    sound = PartyFindings("L", "labs", "", 40, identifiers=ids, outcome=None, window=(6, 48), **usual)
    assert warnings(sound) == ()
    odd = PartyFindings("L", "labs", "", 40, identifiers=ids, outcome=None, window=(6, 48), **usual | change)
    (found,) = warnings(odd)
    assert text in found
