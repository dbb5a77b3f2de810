"""Bytes that a version moves under the committee scheme: payloads, and apart from them all that the committee adds.

Payloads are the sealed updates up and the version down, which every scheme has. The committee adds answers (a share of
the version each), and what does not grow with the adapter: statements and boxes with updates, lists with boxes to
members, consents, the proofs that nodes check downloads against, sealing keys with training tasks, and rosters with
fresh keys from members once a stretch. Sizes are those of the bytes that travel; frames of messages are not counted.
All members are asked to consent, and as many to answer as open a version.

Not for: how many versions a node downloads (``benchmarks.encryption.virtual``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.encryption.committee import SHAPES, Committee
from benchmarks.encryption.sizes import llama_blocks
from benchmarks.harness.figures import Row
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.committee.spelling import (
    AnswerFacts,
    Invitation,
    ListRequest,
    Proof,
    SealedFacts,
    spell_certificates,
)
from crossward.encryption.committee.statements import Consent, VersionList
from crossward.encryption.plan import PRESETS, FieldPlan

NODES, BUFFER = 4, 3
STRETCH = EncryptionSettings().stretch  # versions that share sealing keys
KEY = "0" * 16  # a fingerprint of the consortium's key
VALUES = (100_000, 1_000_000, sum(llama_blocks()))
FLOAT32 = 4.0  # bytes a value, each way
_VALUES = 1000  # of the small updates whose fixed parts are looked at


@dataclass(frozen=True)
class Fixed:
    """Bytes of a version, whatever the adapter, of ``buffer`` updates.

    Parameters
    ----------
    update, task : int
        A hospital's statement and boxes; the sealing keys that its training task named.
    proof : int
        What a node checks a download of the version against.
    consents, answers : int
        Both directions, of all members asked; answers without the shares themselves.
    membership : int
        Once a stretch: each member's roster and sealing keys.
    """

    update: int
    task: int
    proof: int
    consents: int
    answers: int
    membership: int


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

    def asked(member: str, **more: Any) -> int:
        mine = {signer: found[member] for signer, found in boxes.items()}
        return len(ListRequest(version, KEY, mine, **more).to_bytes())

    keys = [
        spell_certificates([certificate] * 2) for certificate in own.certificates.values()
    ]  # of this stretch, the next
    given = tuple(consents)
    return Fixed(
        update=max(len(SealedFacts(update.statement, update.boxes).to_bytes()) for update in updates),
        task=len(Invitation(own.roster.fingerprint, 1, own.certificates).to_bytes()),
        proof=len(Proof((version,), 0).to_text()),
        consents=sum(asked(member) for member in own.roster.committee) + sum(map(_size, consents)),
        answers=sum(
            asked(a.member, consents=given, subsets=a.subsets, counts=(_VALUES,))
            + len(AnswerFacts(a.member, a.digest, a.subsets, a.tag, a.signature).to_bytes())
            for a in answers
        ),
        membership=sum(len(own.book().to_bytes()) + len(data) for data in keys),
    )


def _size(consent: Consent) -> int:
    return len(consent.member) + len(consent.digest) + len(consent.signature)


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
        "keys_with_tasks": NODES * found.task,
        "consents": found.consents,
        "answers_without_shares": found.answers,
        "proofs_with_downloads": NODES * found.proof,
        "rosters_and_keys": found.membership / STRETCH,
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
