"""Messages of vertical runs as Flower records and back; reading checks presence, type and range of every key.

Not for: what the messages mean (``crossward.protocol.vertical.messages``).
"""

from __future__ import annotations

import json
import math
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from crossward.protocol.messages import Head
from crossward.protocol.parts import ProtocolError
from crossward.protocol.vertical.messages import (
    ACTIONS,
    KINDS,
    MOST_NAME,
    VERSION,
    Answer,
    Done,
    Envelope,
    Facts,
    Introduction,
    NotDone,
    Work,
)
from crossward.protocol.wire import FACTS, LINEAGE, PAYLOAD, get, list_of, record_of

PUBLIC_BYTES, KEY_BYTES, SIGNATURE_BYTES = 32, 1216, 64
MOST_ENVELOPES, MOST_PARTIES = 100_000, 64
_LONGEST = 4000  # characters of a reason, or of facts
_ENVELOPE = ("sender", "receiver", "kind", "step", "number", "signature")


def _name(value: Any, what: str) -> str:
    if not (isinstance(value, str) and 0 < len(value) <= MOST_NAME and value.isprintable()):
        raise ProtocolError(f"{what} is no name: expected 1 to {MOST_NAME} printable characters")
    return value


def _text(facts: ConfigRecord, key: str) -> str:
    text = get(facts, key, str)
    if len(text) > _LONGEST:
        raise ProtocolError(f"'{key}' has {len(text)} characters, expected at most {_LONGEST}")
    return text


def _natural(facts: ConfigRecord, key: str) -> int:
    value = get(facts, key, int)
    if value < 0:
        raise ProtocolError(f"'{key}' is {value}, expected 0 or more")
    return value


def _put_envelopes(content: RecordDict, facts: dict[str, Any], envelopes: tuple[Envelope, ...]) -> None:
    for name in _ENVELOPE:
        facts[f"envelope-{name}"] = [getattr(one, name) for one in envelopes]
    facts["envelope-size"] = [len(one.data) for one in envelopes]
    data = b"".join(one.data for one in envelopes)
    content[PAYLOAD] = ArrayRecord({"bytes": Array("uint8", (len(data),), "raw.bytes", data)})


def _take_envelopes(content: RecordDict, facts: ConfigRecord) -> tuple[Envelope, ...]:
    columns: list[list[Any]] = [
        list_of(facts, f"envelope-{name}", kind)
        for name, kind in zip(_ENVELOPE, (str, str, str, int, int, bytes), strict=True)
    ]
    sizes = list_of(facts, "envelope-size", int)
    arrays = record_of(content, PAYLOAD, ArrayRecord)
    if arrays is None or "bytes" not in arrays:
        raise ProtocolError(f"the message lacks its '{PAYLOAD}' record")
    array = arrays["bytes"]
    if array.dtype != "uint8" or array.stype != "raw.bytes":
        raise ProtocolError(f"the envelopes are {array.dtype}/{array.stype}, expected uint8/raw.bytes")
    if len(sizes) > MOST_ENVELOPES or any(len(column) != len(sizes) for column in columns):
        raise ProtocolError(f"the envelopes' columns differ in length, or are more than {MOST_ENVELOPES}")
    data = array.data
    if any(size < 0 for size in sizes) or sum(sizes) != len(data):
        raise ProtocolError(f"the envelopes' sizes add up to {sum(sizes)}, the payload has {len(data)} bytes")
    found, start = [], 0
    for sender, receiver, kind, step, number, signature, size in zip(*columns, sizes, strict=True):
        names = (_name(sender, "an envelope's sender"), _name(receiver, "its receiver"), _name(kind, "its kind"))
        if step < 0 or number < 0 or len(signature) != SIGNATURE_BYTES:
            raise ProtocolError("an envelope's step, number or signature is out of range")
        found.append(Envelope(*names, step, number, bytes(data[start : start + size]), signature))
        start += size
    return tuple(found)


def _spelled(one: Introduction) -> dict[str, Any]:
    return {
        "name": one.name,
        "public-key": one.public_key.hex(),
        "roster": one.roster,
        "key": one.key.hex(),
        "holds": one.holds,
        "outcome": one.outcome,
        "signature": one.signature.hex(),
    }


def _introduction(given: Any) -> Introduction:
    try:
        public, key, signature = (bytes.fromhex(given[name]) for name in ("public-key", "key", "signature"))
        outcome, roster, holds = given["outcome"], given["roster"], given["holds"]
    except (TypeError, ValueError, KeyError, AttributeError):
        raise ProtocolError("a party's introduction is not one: a field is missing or of another type") from None
    sizes = (len(public), len(key), len(signature))
    if sizes != (PUBLIC_BYTES, KEY_BYTES, SIGNATURE_BYTES) or type(outcome) is not bool:
        raise ProtocolError("a party's introduction is not one: a key, its signature or 'outcome' is out of range")
    return Introduction(
        _name(given.get("name"), "a party's name"),
        public,
        _name(roster, "a roster's fingerprint"),
        key,
        _name(holds, "what a party holds"),
        outcome,
        signature,
    )


def introduction_text(one: Introduction) -> str:
    """The spelling of an introduction; :func:`introduction_from` reads it."""
    return json.dumps(_spelled(one))


def introduction_from(text: str) -> Introduction:
    """Undo :func:`introduction_text`, checking everything."""
    return _introduction(_json(text, "introduction"))


def _introductions(facts: ConfigRecord) -> tuple[Introduction, ...]:
    texts = list_of(facts, "parties", str)
    if len(texts) > MOST_PARTIES:
        raise ProtocolError(f"{len(texts)} parties, expected at most {MOST_PARTIES}")
    return tuple(map(introduction_from, texts))


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError(f"'{what}' is not JSON") from None


def _facts_of(text: str) -> Facts:
    found = _json(text, "reported")
    if not isinstance(found, dict) or len(found) > 200:
        raise ProtocolError("'reported' is no object of at most 200 facts")
    for key, value in found.items():
        _name(key, "a reported fact")
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ProtocolError(f"the reported fact {key!r} is no number or text")
        if isinstance(value, str) and not (len(value) <= 200 and value.isprintable()):
            raise ProtocolError(f"the reported fact {key!r} is no text of at most 200 printable characters")
        if isinstance(value, float) and not math.isfinite(value):
            raise ProtocolError(f"the reported fact {key!r} is {value}, expected a finite number")
    return found


def _checked(content: RecordDict) -> ConfigRecord:
    facts = record_of(content, FACTS, ConfigRecord)
    if facts is None:
        raise ProtocolError(f"the message lacks its '{FACTS}' record")
    if (version := get(facts, "protocol", int)) != VERSION:
        raise ProtocolError(f"protocol {version} of vertical runs, expected {VERSION}: run one release everywhere")
    return facts


def _lineage(facts: ConfigRecord) -> str:
    lineage = get(facts, "lineage", str)
    if not LINEAGE.fullmatch(lineage):
        raise ProtocolError("'lineage' is no lineage: expected up to 64 letters, digits, _ and -")
    return lineage


def write_work(work: Work) -> RecordDict:
    """A Flower content of a step to do."""
    content = RecordDict()
    facts: dict[str, Any] = {
        "protocol": VERSION,
        "lineage": work.lineage,
        "task": work.task,
        "step": work.step,
        "action": work.action,
        "round": work.round,
        "head-seq": work.head.seq,
        "head-hash": work.head.hash,
        "parties": [introduction_text(one) for one in work.parties],
    }
    _put_envelopes(content, facts, work.inbox)
    content[FACTS] = ConfigRecord(facts)
    return content


def read_work(content: RecordDict) -> Work:
    """Undo :func:`write_work`, checking everything.

    Raises
    ------
    ProtocolError
        names the key and what was expected.
    """
    facts = _checked(content)
    if (action := get(facts, "action", str)) not in ACTIONS:
        raise ProtocolError(f"the unknown step {action[:40]!r}: run one release of Crossward everywhere")
    return Work(
        _lineage(facts),
        _natural(facts, "task"),
        _natural(facts, "step"),
        action,
        _natural(facts, "round"),
        Head(_natural(facts, "head-seq"), _text(facts, "head-hash")),
        _introductions(facts),
        _take_envelopes(content, facts),
    )


def write_answer(answer: Answer) -> RecordDict:
    """A Flower content of an answer."""
    content = RecordDict()
    facts: dict[str, Any] = {
        "protocol": VERSION,
        "lineage": answer.lineage,
        "task": answer.task,
        "step": answer.step,
        "done": isinstance(answer, Done),
    }
    if isinstance(answer, NotDone):
        facts |= {"kind": answer.kind, "reason": answer.reason[:_LONGEST]}
    else:
        given = answer.introduction
        facts |= {
            "party": answer.party,
            "seconds": answer.seconds,
            "reported": json.dumps(answer.facts, allow_nan=False),
            "introduction": introduction_text(given) if given is not None else "",
        }
        _put_envelopes(content, facts, answer.outbox)
    content[FACTS] = ConfigRecord(facts)
    return content


def read_answer(content: RecordDict) -> Answer:
    """Undo :func:`write_answer`, checking everything; errors as for :func:`read_work`."""
    facts = _checked(content)
    common = (get(facts, "lineage", str)[:64], get(facts, "task", int), get(facts, "step", int))
    if not get(facts, "done", bool):
        if (kind := get(facts, "kind", str)) not in KINDS:
            raise ProtocolError(f"a step was not done for the unknown reason {kind[:40]!r}")
        return NotDone(*common, kind, _text(facts, "reason"))
    if (seconds := get(facts, "seconds", float)) < 0:
        raise ProtocolError(f"'seconds' is {seconds}, expected 0 or more")
    introduction = _text(facts, "introduction")
    return Done(
        *common,
        _name(get(facts, "party", str), "'party'"),
        seconds,
        _facts_of(get(facts, "reported", str)),
        _take_envelopes(content, facts),
        introduction_from(introduction) if introduction else None,
    )
