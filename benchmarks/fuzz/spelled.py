"""Ways to change what the committee scheme says: in its bytes, in its facts and raw parts, or as a whole.

``changed`` takes the Flower content of a task or a reply, and others of its kind from other members, versions, lists
and runs, and gives another content.

Not for: what becomes of it (``benchmarks.fuzz.committee``).
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import random
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from benchmarks.fuzz.mutations import FLOATS, NUMBERS, TEXTS, Material, another_fact, data_of, other_records, with_data
from crossward.encryption.committee.spelling import _read, _spell
from crossward.protocol.wire import FACTS, PAYLOAD

PROOFS = "record-proof"
SPELLED = ("committee", "facts", "certificates")  # facts in the committee's own spelling
Pool = Sequence[RecordDict]


def changed(content: RecordDict, pool: Pool, rng: random.Random) -> tuple[str, RecordDict]:
    """What was done, and a changed copy of ``content``; ``pool`` has other messages of its kind."""
    content = copy.deepcopy(content)
    names = ["a record's fact"] * 4 * (PROOFS in content.config_records[FACTS])
    names += ["a fact", "a whole message", "a fact of another message", "records"] + _spelled(content) * 4
    if _data(content):
        names += ["payload", "payload", "another message's payload"]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        what = rng.choice(names)
        how = _HOW.get(what)
        content = _spelling(content, pool, rng, what) if how is None else how(content, pool, rng)
        if not isinstance(content.get(FACTS), ConfigRecord):
            break
    return what, content


def _spelled(content: RecordDict) -> list[str]:
    facts = content.config_records[FACTS]
    found = [name for name in (*SPELLED, "roster") if isinstance(facts.get(name), bytes) and facts[name]]
    return found + [PROOFS] * (PROOFS in facts and len(facts[PROOFS]) > 0)  # type: ignore[arg-type]


def _data(content: RecordDict) -> bytes:
    found = content.get(PAYLOAD)
    return data_of(content) if isinstance(found, ArrayRecord) and "bytes" in found else b""


# ---------------------------------------------------------------------- as Flower's records


def _fact(content: RecordDict, pool: Pool, rng: random.Random) -> RecordDict:
    return another_fact(content, rng, _NOTHING)


def _column(content: RecordDict, pool: Pool, rng: random.Random) -> RecordDict:
    """One number or text of one of a task's records."""
    facts: Any = content.config_records[FACTS]
    columns = [name for name in sorted(facts) if name.startswith("record-") and isinstance(facts[name], list)]
    if columns and (values := list(facts[name := rng.choice(columns)])):
        at = rng.randrange(len(values))
        values[at] = _another(values[at], rng)
        facts[name] = values
    return content


def _records(content: RecordDict, pool: Pool, rng: random.Random) -> RecordDict:
    return other_records(content, rng, _NOTHING) if _data(content) else _fact(content, pool, rng)


def _replayed(content: RecordDict, pool: Pool, rng: random.Random) -> RecordDict:
    """Another message whole, in most cases as if it were of this task and run."""
    other = copy.deepcopy(rng.choice(pool))
    facts, own = other.config_records[FACTS], content.config_records[FACTS]
    for name in ("task", "version", "from-version", "lineage", "epoch"):
        if name in own and name in facts and rng.random() < 0.7:
            facts[name] = own[name]
    return other


def _swapped(content: RecordDict, pool: Pool, rng: random.Random) -> RecordDict:
    facts, other = content.config_records[FACTS], rng.choice(pool).config_records[FACTS]
    if names := sorted(set(facts) & set(other)):
        for name in rng.sample(names, min(len(names), rng.choice((1, 1, 2, 4)))):
            facts[name] = copy.deepcopy(other[name])
    return content


def _payload(content: RecordDict, pool: Pool, rng: random.Random) -> RecordDict:
    return with_data(content, _bytes(_data(content), [], rng)) if _data(content) else content


def _others_payload(content: RecordDict, pool: Pool, rng: random.Random) -> RecordDict:
    data = _data(rng.choice(pool))
    return with_data(content, data) if _data(content) and data else content


_INFLATING = [zlib.compress(b"[" * size) for size in (10, 100_000, 20_000_000)]
_NOTHING: Any = Material([], [], {}, None)  # type: ignore[arg-type]
_HOW: dict[str, Callable[[RecordDict, Pool, random.Random], RecordDict]] = {
    "a fact": _fact,
    "records": _records,
    "a record's fact": _column,
    "a whole message": _replayed,
    "a fact of another message": _swapped,
    "payload": _payload,
    "another message's payload": _others_payload,
}


# ---------------------------------------------------------------------- in the committee's spelling


def _spelling(content: RecordDict, pool: Pool, rng: random.Random, name: str) -> RecordDict:
    """A fact of bytes, or a record's proof, changed within."""
    facts: Any = content.config_records[FACTS]
    if name == PROOFS:
        proofs = list(facts[PROOFS]) if isinstance(facts.get(PROOFS), list) else []
        others = [proof for one in pool for proof in _list(one, PROOFS)]
        at = [number for number, proof in enumerate(proofs) if proof and isinstance(proof, str)]
        if at:
            number = rng.choice(at)
            read = [base64.b64decode(proof) for proof in others]  # of honest messages
            try:
                proofs[number] = base64.b64encode(spelled(base64.b64decode(proofs[number]), read, rng)).decode()
            except ValueError:
                proofs[number] = rng.choice(TEXTS)
            facts[PROOFS] = proofs
    elif isinstance(facts.get(name), bytes):
        others = [one.config_records[FACTS].get(name) for one in pool]
        facts[name] = spelled(facts[name], [other for other in others if isinstance(other, bytes)], rng)
    return content


def _list(content: RecordDict, name: str) -> list[Any]:
    """A fact of an honest message, if it has it."""
    return list(content.config_records[FACTS].get(name) or [])  # type: ignore[arg-type]


def spelled(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Bytes in the committee's spelling, or a roster's JSON, changed: as bytes, or in their facts or raw parts."""
    if rng.random() < 0.25:
        return _bytes(data, others, rng)
    try:
        facts, blobs = _open(data)
    except ValueError:
        return _bytes(data, others, rng)
    other: tuple[Any, list[bytes]] = ([], [])
    if others:
        with contextlib.suppress(ValueError):
            other = _open(rng.choice(others))
    if blobs and rng.random() < 0.3:
        at = rng.randrange(len(blobs))
        more = [*blobs, *other[1]]
        blobs[at] = rng.choice((rng.choice(more), _bytes(blobs[at], more, rng)))
        if rng.random() < 0.3:
            blobs = [*blobs, blobs[at]] if rng.random() < 0.5 else blobs[:-1]
    else:
        facts = _tree(facts, other[0], rng)
    return _close(data, facts, blobs)


def _open(data: bytes) -> tuple[Any, list[bytes]]:
    return (json.loads(data), []) if data[:1] == b"{" else _read(data, "a message")


def _close(like: bytes, facts: Any, blobs: list[bytes]) -> bytes:
    return json.dumps(facts).encode() if like[:1] == b"{" else _spell(facts, blobs)


def _bytes(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Bits flipped, cut off, lengthened, random, another message's, or a stream that inflates."""
    match rng.randrange(7):
        case 0 | 1 if data:
            out = bytearray(data)
            for _ in range(rng.choice((1, 1, 2, 50))):
                out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
            return bytes(out)
        case 2:
            return data[: rng.randrange(len(data) + 1)]
        case 3:
            return data + rng.randbytes(rng.choice((1, 8, 64)))
        case 4 if others:
            return rng.choice(others)
        case 5:
            packed = rng.choice(_INFLATING)
            return len(packed).to_bytes(4, "big") + packed
        case _:
            return rng.randbytes(len(data))


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to everything within a tree of lists and mappings."""
    out = [path] if path else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        out += _places(value, (*path, key))
    return out


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _tree(tree: Any, other: Any, rng: random.Random) -> Any:
    """One place of a JSON tree changed: another value or type, gone, twice, elsewhere, or another message's."""
    places = _places(tree)
    if not places:
        return rng.choice(([], {}, 0, "x"))
    path = rng.choice(places)
    parent, key = _at(tree, path[:-1]), path[-1]
    match rng.randrange(6):
        case 0:
            parent[key] = _another(parent[key], rng)
        case 1:
            parent[key] = rng.choice((None, True, 1.5, [], {}, "x", -1, [[]], rng.choice(NUMBERS), rng.choice(FLOATS)))
        case 2:
            del parent[key]
        case 3 if isinstance(parent, list):
            parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(parent[key]))
        case 4:
            second = rng.choice(places)
            from_there = copy.deepcopy(_at(tree, second))
            parent[key], here = from_there, copy.deepcopy(parent[key])
            with contextlib.suppress(KeyError, IndexError, TypeError):  # it was within what was replaced
                _at(tree, second[:-1])[second[-1]] = here
        case _:
            try:
                parent[key] = copy.deepcopy(_at(other, path))
            except (KeyError, IndexError, TypeError):
                parent[key] = _another(parent[key], rng)
    return tree


def _another(value: Any, rng: random.Random) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, 2 * value, rng.choice(NUMBERS)))
    if isinstance(value, str):
        flipped = "".join(rng.choice("0123456789abcdef") if rng.random() < 0.05 else c for c in value)
        return rng.choice((flipped, flipped, value[:-1], value + value[:2], value.upper(), rng.choice(TEXTS)))
    if isinstance(value, list):
        return rng.choice((value[::-1], value[:-1], value + value[-1:], [], rng.sample(value, len(value))))
    if isinstance(value, dict):
        return dict(list(value.items())[:-1])
    return rng.choice(FLOATS)
