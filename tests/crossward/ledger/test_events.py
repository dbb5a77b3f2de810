"""Events of ledger lines: read and written back as they were, whoever wrote them; what cannot be is named."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from crossward.ledger.events import EVENTS, REFUSED, VERSION, Accepted, Unknown
from crossward.ledger.facts import facts_of
from crossward.ledger.lines import EventError, parse, read_line
from crossward.protocol.messages import ACCEPTED, OUTCOMES
from tests.ledger_lines import facts, made


def same(event: str, line: dict[str, Any]) -> bool:
    """Whether a line's facts are written back as they were, byte by byte."""
    back = parse(event, line).facts()
    return json.dumps(back, sort_keys=True) == json.dumps(line, sort_keys=True)


# every fact's name, type and mark by event: whoever changes it counts VERSION up, and keeps the contract of the module
VOCABULARY = (4, "eafd7695b89fdc03")


def vocabulary() -> str:
    """What lines are made of, as a hash."""
    facts = {
        name: [(fact.name, fact.wanted, fact.newer, fact.sometimes) for fact in facts_of(kind)]
        for name, kind in sorted(EVENTS.items())
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def test_a_change_of_what_lines_are_made_of_is_counted() -> None:
    assert (VERSION, vocabulary()) == VOCABULARY


def test_every_outcome_of_the_protocol_is_an_event() -> None:
    assert {*OUTCOMES} == {*REFUSED, ACCEPTED} and set(REFUSED) < set(EVENTS)


@pytest.mark.parametrize("event", sorted(set(EVENTS) - {"hospital-privacy"}))
def test_a_line_is_written_back_as_it_was_read(event: str) -> None:
    line = facts(event)
    assert same(event, line)
    assert same(event, line | {"a fact of the future": {"deep": [1, None]}})


@pytest.mark.parametrize(
    ("event", "fact", "default"),
    [
        ("version", "dithered", 0),
        ("evaluated", "judged", None),
        ("snapshot", "digests", ()),
        ("dispatched", "deadline_seconds", None),
    ],
)
def test_a_fact_that_older_ledgers_lack_has_a_default_and_stays_away(event: str, fact: str, default: Any) -> None:
    old, new = facts(event), facts(event, **{fact: list(default) if default == () else default})
    assert getattr(parse(event, old), fact) == getattr(parse(event, new), fact) == default
    assert same(event, old) and same(event, new)


def test_zero_and_none_are_not_the_same_as_nothing() -> None:
    for line in (facts("version", reverts=0), facts("version", train_loss=0.0), facts("evaluated", loss=None)):
        assert same("version" if "tasks" in line else "evaluated", line)
    assert same("version", facts("version", seconds=1)) and same("version", facts("version", seconds=1.0))


def test_measures_are_whole_or_stay_what_they_are() -> None:
    row = dict.fromkeys(("patients", "tokens", "loss_sum", "correct", "loss_var", "correct_var"), 2.0)
    line = facts("measured", **{f"global_{name}": value for name, value in row.items()}, own_tokens=1.0)
    event = parse("measured", line)
    assert list(event.measures) == ["global"] and event.measures["global"].loss == 1.0  # type: ignore[attr-defined]
    assert same("measured", line)


def test_an_unknown_event_is_kept_as_it_is() -> None:
    event = read_line({"event": "merged", "time": 2.0, "who": ["a"], "name": "x"})
    assert isinstance(event, Unknown) and (event.name, event.time) == ("merged", 2.0)
    assert event.facts() == {"who": ["a"], "name": "x"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"task": None}, "event 'accepted': 'task' is None, expected int"),
        ({"task": True}, "'task' is True, expected int"),
        ({"task": 1.0}, "'task' is 1.0, expected int"),
        ({"site": 7}, "'site' is 7, expected str"),
        ({"loss_sum": "much"}, "'loss_sum' is 'much', expected float"),
        ({"shape": [["clear"]]}, r"'shape' is \[\['clear'\]\], expected Shape"),
        ({"shape": "clear"}, "'shape' is 'clear'"),
        ({"clamped": [1]}, r"'clamped' is \[1\], expected tuple\[str, ...\]"),
    ],
)
def test_a_fact_of_another_type_is_named(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(EventError, match=expected):
        parse("accepted", facts("accepted", **change))


def test_a_fact_that_is_missing_is_named() -> None:
    line = facts("accepted")
    del line["digest"]
    with pytest.raises(EventError, match="event 'accepted' lacks 'digest'"):
        parse("accepted", line)


def test_a_withheld_loss_is_none() -> None:
    update, private = made("accepted"), made("accepted", privacy_unit="patient", local_epsilon=1.0)
    assert isinstance(update, Accepted) and isinstance(private, Accepted)
    assert (update.loss, private.loss) == (2.0, None)
