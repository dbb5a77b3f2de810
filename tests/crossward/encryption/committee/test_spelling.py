"""What is spelled is read back as it was; what was cut, changed or made up is a SpellingError and nothing else."""

from __future__ import annotations

import base64
import random
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crossward.encryption.committee.spelling import (
    MOST_FACTS,
    AnswerFacts,
    Invitation,
    ListRequest,
    Proof,
    SealedFacts,
    SpellingError,
    join_proofs,
    read_certificates,
    spell_certificates,
)
from tests.crossward.encryption.committee.consortium import Consortium, boxes


@pytest.fixture(scope="module")
def spelled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Callable[[bytes], Any], Any, bytes]]:
    """By name: how it is read, what it is, its bytes."""
    own, rng = Consortium(tmp_path_factory.mktemp("keys")), np.random.default_rng(0)
    updates = [own.seal(name, own.values(rng, 20)) for name in own.names[:3]]
    listed = own.list(updates, [40, 41, 42])
    consents = tuple(own.consents(listed, updates))
    invitation = Invitation(own.roster.fingerprint, 1, own.certificates)
    facts = SealedFacts(updates[0].statement, updates[0].boxes)
    request = ListRequest(listed, "ab" * 8, boxes(updates, "h00"), consents, (0, 2), (20,))
    answer = AnswerFacts("h00", listed.digest, (0, 2), 7, b"\x01" * 64)
    proof = Proof((listed,), 12345)
    certificates = tuple(own.certificates.values())
    return {
        "invitation": (Invitation.from_bytes, invitation, invitation.to_bytes()),
        "sealed facts": (SealedFacts.from_bytes, facts, facts.to_bytes()),
        "request": (ListRequest.from_bytes, request, request.to_bytes()),
        "answer": (AnswerFacts.from_bytes, answer, answer.to_bytes()),
        "certificates": (read_certificates, certificates, spell_certificates(certificates)),
        "proof": (lambda data: Proof.from_text(data.decode("latin-1")), proof, proof.to_text().encode()),
    }


NAMES = ("invitation", "sealed facts", "request", "answer", "certificates", "proof")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_spelled_is_read_back(name: str, spelled: Any) -> None:
    read, value, data = spelled[name]
    assert read(data) == value


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_done_to_the_bytes_is_refused_or_read_as_something_else(name: str, spelled: Any) -> None:
    read, _, data = spelled[name]
    rng, refused = random.Random(name), 0
    for _ in range(400):
        changed, kind = bytearray(data), rng.randrange(4)
        at = rng.randrange(len(changed))
        if kind == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del changed[at:]
        elif kind == 2:
            changed[at:at] = rng.randbytes(rng.randrange(1, 9))
        else:
            other = rng.randrange(len(changed))
            changed[at:] = changed[other:]
        try:
            read(bytes(changed))
        except SpellingError as error:
            refused += 1
            assert len(str(error)) < 300
    assert refused > 100


@pytest.mark.parametrize(
    "facts", ["null", "[]", "[1, 2]", '{"a": 1}', "[[], [9999999999]]", "[[[[[]]]], []]", "[" * 100000]
)
@pytest.mark.parametrize("name", NAMES)
def test_json_of_another_shape_is_refused(name: str, facts: str, spelled: Any) -> None:
    read = spelled[name][0]
    packed = zlib.compress(facts.encode())
    data = len(packed).to_bytes(4, "big") + packed
    with pytest.raises(SpellingError):
        read(base64.b64encode(data) if name == "proof" else data)


def test_a_stream_that_unpacks_to_more_than_any_run_needs_is_not_unpacked(spelled: Any) -> None:
    packed = zlib.compress(b" " * (MOST_FACTS + 1))
    with pytest.raises(SpellingError, match="cut short or too long"):
        SealedFacts.from_bytes(len(packed).to_bytes(4, "big") + packed)


def test_the_proof_of_a_sum_is_that_of_its_records(spelled: Any) -> None:
    proof = spelled["proof"][1]
    joined = Proof.from_text(join_proofs([proof.to_text(), proof.to_text()]))
    assert joined.lists == proof.lists * 2 and joined.tag == 2 * proof.tag
    assert join_proofs(["", ""]) == ""
