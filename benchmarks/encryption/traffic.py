"""Bytes that a version moves under the committee scheme: payloads, and apart from them all that the committee adds.

Payloads are the sealed updates up and the version down, which every scheme has. The committee adds answers (a share of
the version each), and what does not grow with the adapter: statements, boxes, lists with their boxes to members,
consents, the lists that nodes check downloads against, and sealing certificates once a stretch. Sizes are those of real
objects, spelled as they are signed; frames of messages are not counted. All members are asked to consent, and as many
to answer as open a version.

Not for: how many versions a node downloads (``benchmarks.encryption.virtual``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.encryption.committee import SHAPES, Committee
from benchmarks.encryption.sizes import llama_blocks
from benchmarks.harness.figures import Row
from crossward.encryption.committee.statements import VersionList
from crossward.encryption.plan import PRESETS, FieldPlan

NODES, BUFFER = 4, 3
STRETCH = 16  # versions that share sealing keys
VALUES = (100_000, 1_000_000, sum(llama_blocks()))
FLOAT32 = 4.0  # bytes a value, each way
_VALUES = 1000  # of the small updates whose fixed parts are looked at


@dataclass(frozen=True)
class Fixed:
    """Bytes of a version, whatever the adapter, of ``buffer`` updates.

    Parameters
    ----------
    update : int
        A hospital's statement and boxes.
    list : int
        The list of a version's updates.
    consents, answers : int
        Both directions, of all members asked; answers without the shares themselves.
    certificates : int
        The committee's sealing certificates.
    """

    update: int
    list: int
    consents: int
    answers: int
    certificates: int


def fixed(name: str, plan: FieldPlan, nodes: int, buffer: int) -> Fixed:
    """The sizes in a consortium of ``nodes`` hospitals with a committee of the shape ``name``."""
    with tempfile.TemporaryDirectory(prefix="crossward-committee-") as folder:
        own = Committee(name, Path(folder), plan, nodes)
        values = np.zeros(_VALUES, dtype=np.int8)
        updates = [own.seal(hospital, [values]) for hospital in list(own.keys)[:buffer]]
        version = VersionList.of(own.roster, 1, [update.statement for update in updates], [1] * buffer)
        boxes = {update.statement.signer: dict(update.boxes) for update in updates}
        consents = own.consents(version, boxes)
        answers = [own.answer(member, version, boxes, consents, [_VALUES]) for member in own.asked()]
    statement = max(len(update.statement.canonical) + len(update.statement.signature) for update in updates)
    listed = sum(len(s.canonical) + len(s.signature) + len(str(weight)) for s, weight in version.contributions)
    to_member = listed + sum(len(box) for box in updates[0].boxes.values()) * buffer // len(own.roster.committee)
    consent = max(len(one.canonical) + len(one.signature) for one in consents)
    answer = max(len(one.canonical) + len(one.signature) for one in answers)
    return Fixed(
        update=statement + sum(map(len, updates[0].boxes.values())),
        list=listed,
        consents=len(own.roster.committee) * (to_member + consent),
        answers=len(answers) * (to_member + len(consents) * consent + answer),
        certificates=sum(len(c.canonical) + len(c.signature) for c in own.certificates.values()),
    )


def shares_per_value(name: str, plan: FieldPlan) -> float:
    """Bytes a value of the t + 1 answers that open a version."""
    return (SHAPES[name][1] + 1) * plan.field_bits / 8


def version_bytes(name: str, values: int) -> Row:
    """Of a version of :data:`BUFFER` updates that all of :data:`NODES` nodes download, ``compact``."""
    plan = PRESETS["compact"]
    found = fixed(name, plan, NODES, BUFFER)
    payload = (BUFFER + NODES) * plan.field_bits / 8 * values
    committee = {
        "shares": shares_per_value(name, plan) * values,
        "statements_and_boxes": BUFFER * found.update,
        "consents": found.consents,
        "answers_without_shares": found.answers,
        "lists_with_downloads": NODES * found.list,
        "certificates": (NODES + 1) * found.certificates / STRETCH,  # announced once, handed to every node
    }
    clear = (BUFFER + NODES) * FLOAT32 * values
    return {
        "name": name,
        "values": values,
        "nodes": NODES,
        "buffer": BUFFER,
        "payload_bytes": payload,
        "committee_bytes": committee,
        "payload_times_float32": payload / clear,
        "total_times_float32": (payload + sum(committee.values())) / clear,
        "bfv_times_float32": (BUFFER * plan.bytes_per_value()[0] + NODES * plan.bytes_per_value()[1]) * values / clear,
    }


def measure(names: Iterable[str] = SHAPES, sizes: Iterable[int] = VALUES) -> list[Row]:
    """A row for each committee and each number of values."""
    return [version_bytes(name, values) for name in names for values in sizes]
