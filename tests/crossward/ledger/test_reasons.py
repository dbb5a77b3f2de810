"""Reasons: their texts lead back to them, and never to another."""

from __future__ import annotations

from string import Formatter

import pytest

from crossward.ledger import reasons
from crossward.ledger.reasons import Reason, reason_of

ALL = sorted((value for value in vars(reasons).values() if isinstance(value, Reason)), key=lambda r: r.code)


def filled(reason: Reason, text: str = "") -> str:
    """A reason's text with values of the types that its format asks for."""
    fields = [(name, spec) for _, name, spec, _ in Formatter().parse(reason.text) if name]
    return reason(**{name: 1.5 if spec else text or 7 for name, spec in fields}).text


@pytest.mark.parametrize("reason", ALL, ids=lambda reason: reason.code)
@pytest.mark.parametrize("value", ["", "x: {y}\n[z] 'q' of 3"])
def test_a_text_leads_back_to_its_reason_alone(reason: Reason, value: str) -> None:
    assert reason_of(filled(reason, value)) is reason


def test_there_are_reasons() -> None:
    assert len(ALL) > 40 and len({reason.code for reason in ALL}) == len(ALL)


def test_a_nodes_own_words_have_no_code() -> None:
    assert reason_of("CUDA out of memory") is None and reason_of("") is None


def test_a_run_that_ended_for_want_of_budget_is_known_whatever_wrote_it() -> None:
    assert reason_of("the privacy budget is spent: 2 of 4 hospitals may train on, a version needs 3") is reasons.SPENT
    assert reason_of("the privacy budget is spent: in other words") is reasons.SPENT


def test_a_callback_cannot_pass_for_something_else() -> None:
    spent = reasons.SPENT(left=1, known=2, needed=3)
    assert reason_of(reasons.CALLBACK(reason=spent.text).text) is reasons.CALLBACK


def test_every_code_is_of_one_reason() -> None:
    with pytest.raises(ValueError, match="two reasons have the code 'stale'"):
        Reason("stale", "too late again")


@pytest.mark.parametrize("reason", [reason for reason in ALL if reason.older], ids=lambda reason: reason.code)
def test_a_text_of_an_older_ledger_leads_to_the_same_reason(reason: Reason) -> None:
    for older in reason.older:
        names = [name for _, name, _, _ in Formatter().parse(older) if name]
        assert reason_of(older.format(**dict.fromkeys(names, "patient"))) is reason


def test_whatever_became_of_a_task_without_a_result_has_a_remedy() -> None:
    assert set(reasons.REMEDIES) == set(reasons.OUTCOMES) - {"accepted"} and all(reasons.REMEDIES.values())
    assert set(reasons.OUTCOMES) > reasons.OF_A_NODE
