"""Ways to change an honest, signed update: in its bytes, its index, its facts, its metrics, or as a whole.

Each is ``(content, rng, material) -> content`` on a copy of the Flower content that a node returned.

Not for: what becomes of them (``benchmarks.fuzz``).
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from client_app.identity import sign
from client_app.node import Node
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import Update
from crossward.protocol.parts import Payload, ProtocolError, join
from crossward.protocol.wire import FACTS, INDEX, METRICS, PAYLOAD, read_reply, write_reply

NUMBERS = (0, 1, -1, 2, 7, 8, 63, 64, 65, 255, 12288, 1 << 31, 1 << 40, (1 << 62) + 1, (1 << 63) - 1, -(1 << 63))
FLOATS = (0.0, -0.0, -1.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    "",
    "0",
    "x" * 5000,
    "bfv",
    "clear",
    "ckks",
    "aes-gcm",
    "0123456789abcdef",
    "ABCDEF0123456789",
    "\x1b[2J",
    "../..",
    "\u202e",
    "0123456789abcde\n",
    "{}",
    "é" * 16,
    "\0",
)
IDENTITY_POINT = (1).to_bytes(32, "little")  # of small order: it "verifies" anything with the signature (1, 0)
FORGED = IDENTITY_POINT + bytes(32)


@dataclass
class Material:
    """Other replies of the run, payloads of another plan and policy, and the hospitals."""

    replies: list[RecordDict]
    foreign: list[Payload]
    nodes: dict[int, Node]
    plan: FieldPlan


Mutation = Callable[[RecordDict, random.Random, Material], RecordDict]
MUTATIONS: list[tuple[str, Mutation]] = []


def mutation(weight: int) -> Callable[[Mutation], Mutation]:
    """Register a mutation, ``weight`` times as likely as one of weight 1."""

    def registered(act: Mutation) -> Mutation:
        MUTATIONS.extend([(act.__name__.replace("_", " "), act)] * weight)
        return act

    return registered


def signed_again(content: RecordDict, identity: Ed25519PrivateKey) -> RecordDict:
    """What can still be read as an update, signed by its owner; anything else as it is."""
    try:
        update = read_reply(content)
        return write_reply(sign(update, identity)) if isinstance(update, Update) else content
    except (ProtocolError, ValueError):
        return content


def data_of(content: RecordDict) -> bytes:
    """The payload's bytes."""
    return content.array_records[PAYLOAD]["bytes"].data


def with_data(content: RecordDict, data: bytes) -> RecordDict:
    """``content`` with other payload bytes under an unchanged index."""
    content[PAYLOAD] = ArrayRecord({"bytes": Array("uint8", (len(data),), "raw.bytes", data)})
    return content


def with_payload(content: RecordDict, payload: Payload) -> RecordDict:
    """The update with another payload and everything else as it was, the old signature too."""
    update = read_reply(content)
    assert isinstance(update, Update)
    return write_reply(replace(update, payload=payload))


def columns(content: RecordDict) -> ConfigRecord:
    """The payload's index: kind, length, bits and size of each part."""
    return content.config_records[INDEX]


# ---------------------------------------------------------------------- bytes


@mutation(6)
def flipped_bits(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """One, two or a hundred bits of the payload flipped."""
    data = bytearray(data_of(content))
    for _ in range(rng.choice((1, 1, 2, 100))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return with_data(content, bytes(data))


@mutation(3)
def another_length(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """A payload cut off or lengthened, in most cases with an index that agrees."""
    data, by = data_of(content), rng.choice((1, 8, 16, 64, 30784))
    data = data[:-by] if rng.random() < 0.5 else data + rng.randbytes(by)
    sizes: Any = columns(content)["size"]
    if rng.random() < 0.6 and sizes:  # and the index says so
        sizes[-1] += len(data) - len(data_of(content))
    return with_data(content, data)


@mutation(3)
def random_bytes(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """Random bytes in place of the payload or its second half."""
    data = bytearray(data_of(content))
    start = rng.choice((0, 0, len(data) // 2))
    data[start:] = rng.randbytes(len(data) - start)
    if rng.random() < 0.5:  # coefficients of 60 bits that are below the modulus, so that only the noise is too much
        for at in range(7, len(data) - 64, 15):
            data[at] &= 0x07
            data[at + 7] &= 0x7F
    return with_data(content, bytes(data))


@mutation(2)
def large_coefficients(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """A stretch of ones: coefficients of ciphertexts that are not below the modulus."""
    data, at = bytearray(data_of(content)), 15 * rng.randrange(1000)
    data[at : at + 15] = b"\xff" * min(15, len(data) - at)
    return with_data(content, bytes(data[: len(data_of(content))]))


@mutation(1)
def nothing_but_zeros(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """Zeros only: a transparent ciphertext decrypts to zero without any key."""
    return with_data(content, bytes(len(data_of(content))))


@mutation(2)
def parts_in_another_order(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """Parts reversed, one given twice, or the last left out."""
    update = read_reply(content)
    assert isinstance(update, Update)
    parts = list(update.payload)
    parts = parts[::-1] if rng.random() < 0.4 else parts + parts[:1] if rng.random() < 0.5 else parts[:-1]
    return with_payload(content, join(parts))


@mutation(2)
def another_plans_or_policys_payload(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """A valid payload of another plan or policy."""
    return with_payload(content, rng.choice(material.foreign))


@mutation(2)
def another_updates_payload(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """The payload of another honest update."""
    update = read_reply(rng.choice(material.replies))
    assert isinstance(update, Update)
    return with_payload(content, update.payload)


# ---------------------------------------------------------------------- index, facts, metrics


@mutation(5)
def another_index(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """An index with one wrong, missing or additional entry."""
    index: Any = columns(content)
    name = rng.choice(("kind", "length", "bits", "size"))
    values: Any = list(index[name])
    match rng.randrange(4):
        case 0 if values:
            values[rng.randrange(len(values))] = rng.choice(TEXTS) if name == "kind" else rng.choice(NUMBERS)
        case 1:
            values = values[:-1]
        case 2:
            values = [*values, rng.choice(TEXTS) if name == "kind" else rng.choice(NUMBERS)]
        case _:
            values = [rng.choice(NUMBERS) for _ in values] if name == "kind" else [rng.choice(TEXTS) for _ in values]
    index[name] = values
    return content


@mutation(1)
def empty_parts(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """Up to a thousand further parts of no bytes."""
    index, more = columns(content), rng.choice((1, 10, 1000))
    kinds = [rng.choice(("clear", "bfv"))] * more
    for name, values in (("kind", kinds), ("length", [0] * more), ("bits", [8] * more), ("size", [0] * more)):
        index[name] = [*index[name], *values]  # type: ignore[misc]
    content.config_records[FACTS]["parts"] = [len(index["size"])]  # type: ignore[arg-type]
    return content


@mutation(6)
def another_fact(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """One fact missing, or of another value or type."""
    facts = content.config_records[FACTS]
    name = rng.choice(sorted(facts))
    if rng.random() < 0.15:
        del facts[name]
        return content
    now = facts[name]
    like: dict[type, Callable[[], Any]] = {
        int: lambda: rng.choice(NUMBERS),
        str: lambda: rng.choice(TEXTS),
        bytes: lambda: rng.choice((b"", rng.randbytes(32), rng.randbytes(64), IDENTITY_POINT)),
        list: lambda: rng.choice(([], [0], [1, 1], [-1], [1 << 40], ["x"], [0] * 1000)),
        float: lambda: rng.choice(FLOATS),
        bool: lambda: not now,
    }
    kind = type(now) if rng.random() < 0.8 else rng.choice([int, str, bytes, list])
    facts[name] = like[kind]()
    return content


@mutation(4)
def another_metric(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """One metric missing, or of another value or type."""
    metrics = content.metric_records[METRICS]
    name = rng.choice(sorted(metrics))
    if rng.random() < 0.1:
        del metrics[name]
    else:
        floats = isinstance(metrics[name], float) == (rng.random() < 0.8)
        metrics[name] = rng.choice(FLOATS) if floats else rng.choice(NUMBERS)
    return content


# ---------------------------------------------------------------------- the whole reply


@mutation(3)
def a_replay(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """Another reply: of an earlier version, or of another node."""
    other = rng.choice([r for r in material.replies if r.config_records[FACTS] != content.config_records[FACTS]])
    other = copy.deepcopy(other)
    for name in ("task", "version", "lineage", "epoch"):
        if rng.random() < 0.6:  # made to answer this task
            other.config_records[FACTS][name] = content.config_records[FACTS][name]
    return other


@mutation(2)
def another_signature(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """A random, shortened, empty or reversed signature."""
    update = read_reply(content)
    assert isinstance(update, Update)
    signature = rng.choice((rng.randbytes(64), update.signature[:-1], b"", update.signature[::-1]))
    return write_reply(replace(update, signature=signature))


@mutation(1)
def a_key_that_verifies_anything(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """Somebody else's payload under a public key of small order."""
    update, theirs = read_reply(content), read_reply(rng.choice(material.replies))
    assert isinstance(update, Update) and isinstance(theirs, Update)
    changed = replace(update, payload=theirs.payload, public_key=IDENTITY_POINT, signature=FORGED)
    return write_reply(changed)


@mutation(2)
def other_records(content: RecordDict, rng: random.Random, material: Material) -> RecordDict:
    """A record missing, of another kind, a payload of another array type, or a record of no reply's."""
    name = rng.choice([name for name in (FACTS, INDEX, PAYLOAD, METRICS) if name in content])
    match rng.randrange(4):
        case 0:
            del content[name]
        case 1:
            del content[name]
            content[name] = rng.choice((ConfigRecord({"x": 1}), MetricRecord({"x": 1}), ArrayRecord({})))
        case 2:
            data = data_of(content)
            content[PAYLOAD] = ArrayRecord(
                {"bytes": Array(rng.choice(("int8", "uint8")), (1,), rng.choice(("numpy.ndarray", "raw.bytes")), data)}
            )
        case _:
            content = RecordDict({"x": ArrayRecord({"x": Array("uint8", (64,), "raw.bytes", rng.randbytes(64))})})
    return content
