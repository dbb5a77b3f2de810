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
