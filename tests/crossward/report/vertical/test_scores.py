"""What joining brought, in words that follow from the figures, and files that are no evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from client_app.vertical.learning.metrics import Metrics
from crossward.evaluation.vertical.measure import COMMON, Measured
from crossward.ledger.vertical_events import PartiesMet
from crossward.report.vertical.scores import Level, Score, ScoresError, owner, read_scores, sentences, verdict
from tests.vertical_story import HOLDS, NAMES, score

MET = PartiesMet(parties=NAMES, holds=HOLDS, holder=NAMES[0], roster="", introductions=())


LAB = "Laboratory (labs): its features alone, with the outcomes that it lacks, reach AUROC 0.700, the joint model 0.840"


def read(folder: Path, *rows: Any) -> list[Score]:
    (folder / "evaluation.json").write_text(json.dumps({"rows": rows}))
    return read_scores(folder)


def test_no_evaluation_is_no_score_and_neither_is_a_row_without_figures(tmp_path: Path) -> None:
    assert read_scores(tmp_path) == []
    assert read(tmp_path, score("labs", 0.7) | {"auroc": None, "auprc": None}) == []


def test_rows_are_as_an_evaluation_writes_them(tmp_path: Path) -> None:
    found = Metrics(60, 30, 0.8, (0.7, 0.9), 0.7, (0.6, 0.8), 0.1, 0.05)
    rows = [Measured(model, party, COMMON, found).row() for model, party in (("labs", "Laboratory"), ("joint", "all"))]
    labs, joint = read(tmp_path, *rows)
    assert (labs.party, joint.party, joint.patients, joint.where) == ("Laboratory", "", 60, COMMON)
    assert labs.auroc == Level(0.8, 0.7, 0.9) and labs.auprc == Level(0.7, 0.6, 0.8)


def test_joining_is_said_to_help_only_where_intervals_are_apart(tmp_path: Path) -> None:
    scores = read(tmp_path, score("notes", 0.80), score("labs", 0.70), score("joint", 0.84), score("central", 0.85))
    whole, heart, lab = sentences(scores, MET)
    assert whole == (
        "Of 196 held-out common patients the joint model reaches AUROC 0.840 [0.810, 0.870], the better side alone "
        "(notes) 0.800 [0.770, 0.830], and one model of all data in one place 0.850 [0.820, 0.880]: joining closes "
        "80 % of that gap."
    )
    assert heart.startswith("Harbour Heart (notes): AUROC 0.800 alone, the joint model 0.840 (+0.040)")
    assert "shows no difference" in heart and "joining helps" in lab and lab.startswith(LAB)
    assert "joining harms" in sentences(read(tmp_path, score("labs", 0.8), score("joint", 0.7)), MET)[1]


def test_without_intervals_or_a_gap_nothing_is_claimed(tmp_path: Path) -> None:
    scores = read(tmp_path, score("labs", 0.7, None), score("joint", 0.9, None), score("central", 0.69, None))
    whole, lab = sentences(scores, None)
    assert "no better than the better side" in whole and lab.startswith("Who has labs: ")
    assert lab.endswith("without intervals this shows no difference.")


def test_a_distilled_model_is_compared_with_its_party_alone_on_the_same_patients(tmp_path: Path) -> None:
    where = {"where": "outside the overlap"}
    distilled = score("distilled", 0.81, party="Laboratory", **where)
    scores = read(tmp_path, score("labs", 0.6), score("notes", 0.7, **where), score("labs", 0.73, **where), distilled)
    (text,) = sentences(scores, MET)
    assert text.startswith("Laboratory predicts by itself for 196 patients (outside the overlap) with AUROC 0.810")
    assert text.endswith("against 0.730 [0.700, 0.760] of labs alone: better.")
    (alone,) = sentences(read(tmp_path, distilled), MET)
    assert alone.endswith("distilled from the joint one.")


def test_a_model_is_of_the_party_that_holds_its_features() -> None:
    of = lambda model, party="": Score(model, "", 1, Level(0.5), Level(0.5), party)  # noqa: E731
    assert owner(of("labs"), MET) == "Laboratory" and owner(of("joint"), MET) == "" == owner(of("claims"), MET)
    assert owner(of("labs", "Millbrook"), MET) == "Millbrook" and owner(of("labs"), None) == ""
    twice = PartiesMet(parties=("A", "B"), holds=("labs", "labs, vitals"), holder="A", roster="", introductions=())
    assert owner(of("labs"), twice) == "" and owner(of("vitals"), twice) == "B"


def test_a_verdict_needs_intervals_that_do_not_overlap() -> None:
    low, high, wide = Level(0.6, 0.55, 0.65), Level(0.8, 0.75, 0.85), Level(0.7, 0.6, 0.8)
    assert (verdict(high, low), verdict(low, high), verdict(wide, low)) == ("better", "worse", "not shown to differ")
    assert [verdict(Level(a), Level(0.5)) for a in (0.6, 0.4, 0.5)] == ["higher", "lower", "equal"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ('{"version": 3}', "has no list of rows"),
        ("[]", "has no list of rows"),
        ('{"rows": [3]}', "row 1: int, expected fields by name"),
        ('{"rows": [{"model": "labs"}]}', "row 1: 'where' is missing or no text"),
        ('{"rows": [{"model": "labs", "where": "x", "patients": -1}]}', "row 1: 'patients' is missing or no count"),
        ('{"rows": [{"model": "labs", "where": "x", "patients": 1}]}', "row 1: 'auroc' is missing or not from 0 to 1"),
        (
            '{"rows": [{"model": "a", "where": "x", "patients": 1, "auroc": 0.5, "auprc": NaN}]}',
            "row 1: 'auprc' is missing or",
        ),
        (
            '{"rows": [{"model": "a", "where": "x", "patients": 1, "auroc": 0.5, "auroc_low": -1, "auprc": 0.5}]}',
            "row 1: 'auroc_low' is missing or not from 0 to 1",
        ),
    ],
)
def test_what_is_no_evaluation_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(ScoresError, match=says):
        read_scores(tmp_path)
