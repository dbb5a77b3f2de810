"""Steps in words: every action has its own, and an event is one line."""

from __future__ import annotations

import pytest

from crossward.ledger.events import Finished, Left, Started
from crossward.ledger.vertical_events import PartiesMet, PartyAbsent, StepAsked, StepDone, StepFailed
from crossward.protocol.vertical.messages import ACTIONS
from crossward.report.vertical.words import WORDS, did, doing, event_lines, figure, listed, title

DONE = StepDone(
    task=1,
    step=7,
    action="combine",
    round=2,
    party="Heart",
    bytes=2600,
    receivers=("Lab",),
    kinds=("targets",),
    sizes=(2600,),
    digest="",
    seconds=3.0,
    worked=2.25,
    facts_named=("auroc", "common patients", "stopped_by"),
    values=("0.81234567", "980.0", "loss"),
)


def test_every_action_has_words_of_its_own() -> None:
    assert set(WORDS) == set(ACTIONS)
    for form in (title, doing, did):
        assert len({form(action, 1) for action in ACTIONS}) == len(ACTIONS)
    assert title("combine", 2) == "joint model, exchange 2" and did("newer", 1) == "newer"


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (Started(version=0, lineage="", last=13), ["started at step 0 of 13"]),
        (
            DONE,
            [
                "step 7/12: Heart trained the joint model, exchange 2 in 2.2 s, sends 3 kB; auroc 0.8123; "
                "common patients 980; stopped by loss"
            ],
        ),
        (
            StepFailed(task=1, step=2, action="raise", node="12", party="", kind="failed", reason="disk full\nmore"),
            ["  step 2 (raise), node 12: failed: disk full"],
        ),
        (
            PartyAbsent(step=8, action="approach", party="Lab", seconds=600.0),
            ["  step 8 goes on without Lab, away for 600 s"],
        ),
        (Left(node="12"), ["left: 12"]),
        (Finished(version=13, reason="all steps are done"), ["finished: all steps are done"]),
        (StepAsked(task=1, step=2, action="raise", round=1, node="12", party="Lab", bytes=0), []),
        (
            PartiesMet(parties=("A", "B"), holds=("notes", "labs"), holder="A", roster="ab" * 32, introductions=()),
            ["parties: A (notes), B (labs); A has the outcome; roster abababababababab"],
        ),
    ],
)
def test_an_event_is_a_line(event: object, lines: list[str]) -> None:
    assert list(event_lines(event, 12)) == lines  # type: ignore[arg-type]


def test_lists_and_figures() -> None:
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert [figure(text) for text in ("12", "12.0", "0.5", "nan", "loss")] == ["12", "12", "0.5", "nan", "loss"]
