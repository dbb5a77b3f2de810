"""Messages of vertical runs come back as they were written, and whatever is wrong in one is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from crossward.protocol.messages import Head
from crossward.protocol.parts import ProtocolError
from crossward.protocol.vertical.messages import Done, Envelope, Introduction, NotDone, Work
from crossward.protocol.vertical.wire import read_answer, read_work, write_answer, write_work

PARTY = Introduction("Clinic", b"p" * 32, "f" * 64, b"k" * 1216, "notes", True, b"s" * 64)
ENVELOPES = tuple(Envelope("Clinic", "Laboratory", "set", 2, n, b"data" * n, b"s" * 64) for n in range(3))
WORK = Work("lineage", 1, 3, "raise", 1, Head(4, "h"), (PARTY,), ENVELOPES)
DONE = Done("lineage", 1, 3, "Clinic", 1.5, {"patients": 3, "auroc": 0.75, "of": "text"}, ENVELOPES, PARTY)


@pytest.mark.parametrize("answer", [DONE, NotDone("lineage", 1, 3, "refused", "no")])
def test_answers_come_back(answer: Done | NotDone) -> None:
    assert read_answer(write_answer(answer)) == answer


def test_work_comes_back() -> None:
    assert read_work(write_work(WORK)) == WORK


def _with(key: str, value: Any) -> Callable[[RecordDict], None]:
    def change(content: RecordDict) -> None:
        facts = content["facts"]
        assert isinstance(facts, ConfigRecord)
        facts[key] = value

    return change


def _without(key: str) -> Callable[[RecordDict], None]:
    return lambda content: content["facts"].__delitem__(key)  # type: ignore[union-attr]


def _payload(array: Array) -> Callable[[RecordDict], None]:
    return lambda content: content.__setitem__("payload", ArrayRecord({"bytes": array}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("step"), "lacks 'step'"),
        (_with("protocol", 9), "protocol 9 of vertical runs, expected 1"),
        (_with("action", "open the safe"), "unknown step 'open the safe'"),
        (_with("step", -1), "'step' is -1, expected 0 or more"),
        (_with("lineage", "../etc"), "'lineage' is no lineage"),
        (_with("parties", ["{}"]), "introduction is not one"),
        (_with("parties", ["[["]), "'introduction' is not JSON"),
        (_with("envelope-size", [1, 2]), "columns differ in length"),
        (_with("envelope-size", [1, 2, 3]), "add up to 6, the payload has 12 bytes"),
        (_with("envelope-size", [-4, 8, 8]), "add up to 12"),
        (_with("envelope-step", [1, 2, -1]), "step, number or signature is out of range"),
        (_with("envelope-signature", [b"", b"", b""]), "step, number or signature is out of range"),
        (_payload(Array("float32", (3,), "raw.bytes", b"123456789012")), "are float32/raw.bytes"),
    ],
)
def test_what_is_wrong_in_work_is_named(change: Callable[[RecordDict], None], message: str) -> None:
    content = write_work(WORK)
    change(content)
    with pytest.raises(ProtocolError, match=message):
        read_work(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with("reported", "[1]"), "no object of at most 200 facts"),
        (_with("reported", '{"a": [1]}'), "'a' is no number or text"),
        (_with("reported", '{"a": "\\u001b[2J"}'), "no text of at most 200 printable characters"),
        (_with("reported", '{"a": NaN}'), "is nan, expected a finite number"),
        (_with("seconds", -1.0), "'seconds' is -1.0, expected 0 or more"),
        (_with("party", ""), "'party' is no name"),
        (_with("introduction", "x" * 5000), "has 5000 characters"),
    ],
)
def test_what_is_wrong_in_an_answer_is_named(change: Callable[[RecordDict], None], message: str) -> None:
    content = write_answer(DONE)
    change(content)
    with pytest.raises(ProtocolError, match=message):
        read_answer(content)


def test_a_reason_of_an_unknown_kind_is_refused() -> None:
    content = write_answer(NotDone("lineage", 1, 3, "refused", "no"))
    _with("kind", "bored")(content)
    with pytest.raises(ProtocolError, match="unknown reason 'bored'"):
        read_answer(content)
