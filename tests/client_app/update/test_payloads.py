"""Payloads of a node: what the policy seals is never sent otherwise, records open to what they sum to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_app.update.payloads import MissingKeyError, Payloads, UnopenedError, Vault
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.holder.ckks import make_context
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.policy import Piece, pieces
from crossward.encryption.secret import Secret
from crossward.encryption.snapshot import SnapshotError
from crossward.protocol.messages import RecordHead
from crossward.protocol.parts import Payload, ProtocolError
from strategies.aggregation.combine import combine

ONE, TWO = Secret(bytes(range(32))), Secret(bytes(range(1, 33)))
PLAN, SIZES = FieldPlan(8, 7, 2), (5, 0, 9, 30)
TOTAL = sum(SIZES)
MARKS = {"all": None, "sensitive": (False, True, True, False), "none": None}
CASES = [("all", "bfv"), ("sensitive", "bfv"), ("none", "bfv"), ("all", "ckks"), ("sensitive", "ckks")]
CONTEXTS = [make_context()[0] for _ in range(2)]


def payloads(policy: str, scheme: str = "bfv", *secrets: Secret, context: int = 0, plan: FieldPlan = PLAN) -> Payloads:
    held = secrets or (ONE,)
    key = ConsortiumKey(held[0], tuple(held[1:]), CONTEXTS[context] if scheme == "ckks" else b"")
    given_key = None if policy == "none" else key
    return Payloads(
        SIZES, plan, Vault(EncryptionSettings(policy=policy, scheme=scheme, workers=1), given_key, MARKS[policy])
    )


def opened(made: Payloads, payload: Payload, weight_sum: int, key: str) -> np.ndarray:
    out = np.full(TOTAL, 1 << 40)
    for place, values in made.open(payload, RecordHead(1, 1, 0, weight_sum, 1, key)):
        out[place] = values
    return out


@pytest.mark.parametrize(("policy", "scheme"), CASES)
@settings(deadline=None, derandomize=True, max_examples=8)
@given(data=st.data())
def test_a_record_opens_to_the_weighted_sum(policy: str, scheme: str, data: st.DataObject) -> None:
    made, kinds = payloads(policy, scheme), arithmetic(PLAN, policy, scheme)
    value = st.integers(-PLAN.q_max, PLAN.q_max)
    rows = [np.array(data.draw(st.lists(value, min_size=TOTAL, max_size=TOTAL)), dtype=np.int32) for _ in range(3)]
    weights = data.draw(st.permutations([1, 57, 70]))
    sealed = [made.seal(row) for row in rows]
    record = Payload(*_joined(combine(sealed, weights, PLAN.sum_bits(1), kinds)))
    expected = sum(w * row.astype(np.int64) for w, row in zip(weights, rows, strict=True))
    assert np.array_equal(opened(made, record, 128, made.vault.fingerprint), expected)
    assert np.array_equal(opened(made, sealed[0], 1, made.vault.fingerprint), rows[0])


def _joined(parts: Iterator) -> tuple[list, bytes]:
    found = list(parts)
    return [part.head for part in found], b"".join(bytes(part.data) for part in found)


@pytest.mark.parametrize(("policy", "scheme"), CASES)
def test_the_kinds_and_lengths_follow_the_policy(policy: str, scheme: str) -> None:
    payload = payloads(policy, scheme).seal(np.zeros(TOTAL, np.int8))
    expected = {
        "all": [(scheme, TOTAL)],
        "sensitive": [(scheme, 9), ("clear", 5), ("clear", 30)],
        "none": [("clear", 5), ("clear", 9), ("clear", 30)],
    }
    assert list(payload.shape) == expected[policy]


def test_a_clear_block_is_the_same_integers_and_a_sealed_one_shows_none_of_them() -> None:
    values = np.arange(TOTAL)
    fields = (values + PLAN.offset).astype(np.uint8).tobytes()
    assert bytes(payloads("none").seal(values).data) == fields
    mixed = bytes(payloads("sensitive").seal(values).data)
    assert mixed.endswith(fields[:5] + fields[14:]) and fields[5:14] not in mixed
    assert fields[5:9] not in bytes(payloads("all").seal(values).data)


@pytest.mark.parametrize("policy", ["sensitive", "none"])
def test_a_payload_is_cut_into_as_many_pieces_as_it_has_parts(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, counts = payloads(policy), []

    def counted(sizes: tuple[int, ...], sealed: tuple[bool, ...], chunk: int) -> tuple[Piece, ...]:
        found = pieces(sizes, sealed, chunk)
        counts.append(len(found))
        return found

    monkeypatch.setattr("client_app.update.payloads.pieces", counted)
    sealed = made.seal(np.zeros(TOTAL, np.int32))
    opened(made, sealed, 1, made.vault.fingerprint)
    assert counts and max(counts) == len(sealed.heads)


@pytest.mark.parametrize("policy", ["all", "sensitive"])
@pytest.mark.parametrize("scheme", ["bfv", "ckks"])
def test_without_a_key_there_is_no_vault_that_seals(policy: str, scheme: str) -> None:
    with pytest.raises(MissingKeyError, match=r"this node has no consortium key: make one with .*key-path"):
        Vault(EncryptionSettings(policy=policy, scheme=scheme))


@pytest.mark.parametrize("policy", ["all", "sensitive"])
def test_nothing_that_fails_falls_back_to_the_clear(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = payloads(policy)
    values, sent = np.zeros(TOTAL, np.int64), []
    values[7] = 128  # of a sealed block: beyond q_max
    with pytest.raises(ValueError, match="exceeds q_max"):
        sent.append(made.seal(values))
    monkeypatch.setattr(ConsortiumKey, "find", lambda self, fingerprint: None)
    with pytest.raises(MissingKeyError):
        sent.append(payloads(policy).seal(np.zeros(TOTAL, np.int64)))
    with pytest.raises(MissingKeyError):
        sent.append(payloads(policy).wrap(np.zeros(TOTAL, np.int64), 20, "here"))
    assert sent == []


@pytest.mark.parametrize("key", ["", TWO.fingerprint, "0123456789abcdef"])
def test_a_record_under_a_key_that_is_not_held_is_said_so(key: str) -> None:
    made = payloads("all")
    with pytest.raises(MissingKeyError, match=f"under key {key}.*its key is {ONE.fingerprint}"):
        opened(made, made.seal(np.zeros(TOTAL, np.int64)), 1, key)


def test_an_earlier_key_opens_what_it_sealed_and_nothing_else() -> None:
    old = payloads("all").seal(np.arange(TOTAL))
    rotated = payloads("all", "bfv", TWO, ONE)
    assert rotated.vault.fingerprint == TWO.fingerprint
    assert np.array_equal(opened(rotated, old, 1, ONE.fingerprint), np.arange(TOTAL))
    with pytest.raises(UnopenedError):
        opened(rotated, old, 1, TWO.fingerprint)
    new = rotated.seal(np.arange(TOTAL))
    with pytest.raises(MissingKeyError):
        opened(payloads("all"), new, 1, TWO.fingerprint)


def test_a_ckks_record_of_another_context_is_an_error_not_garbage() -> None:
    """Two key files of one fingerprint but other contexts: the one must not open to garbage what the other sealed."""
    old = payloads("all", "ckks").seal(np.arange(TOTAL))
    with pytest.raises(UnopenedError, match="another key"):
        opened(payloads("all", "ckks", ONE, context=1), old, 1, ONE.fingerprint)


def test_a_ckks_context_that_is_gone_is_a_missing_key() -> None:
    """A node tells a missing key (wrong-key) from bytes that are damaged (failed), and so does an evaluation."""
    old = payloads("all", "ckks").seal(np.arange(TOTAL))
    with pytest.raises(MissingKeyError):
        opened(payloads("all", "ckks", TWO, ONE, context=1), old, 1, ONE.fingerprint)


@pytest.mark.parametrize("other", ["all", "sensitive", "none"])
@pytest.mark.parametrize("policy", ["all", "sensitive", "none"])
def test_a_record_of_another_policy_does_not_open(policy: str, other: str) -> None:
    made = payloads(policy)
    record = payloads(other).seal(np.zeros(TOTAL, np.int64))
    if policy == other:
        assert opened(made, record, 1, made.vault.fingerprint).tolist() == [0] * TOTAL
        return
    with pytest.raises(ProtocolError, match=r"does not follow the \d+ of the layout and policy"):
        opened(made, record, 1, made.vault.fingerprint)


@pytest.mark.parametrize("policy", ["all", "sensitive", "none"])
def test_a_snapshot_is_lossless_and_bound_to_its_place(policy: str) -> None:
    made = payloads(policy)
    values = np.arange(TOTAL) * 1000 - 20000
    payload = made.wrap(values, 20, "run:1:0")
    assert {head.kind for head in payload.heads} == {"clear" if policy == "none" else "aes-gcm"}
    assert np.array_equal(made.unwrap(payload, 20, made.vault.fingerprint, "run:1:0"), values)
    if policy != "none":
        with pytest.raises(SnapshotError):
            made.unwrap(payload, 20, made.vault.fingerprint, "run:1:1")
        with pytest.raises(ProtocolError):
            payloads("none").unwrap(payload, 20, "", "run:1:0")
        with pytest.raises(ProtocolError):  # nor is a clear one taken for a sealed one
            made.unwrap(payloads("none").wrap(values, 20, "run:1:0"), 20, made.vault.fingerprint, "run:1:0")


def test_what_a_vault_prints_holds_no_secret() -> None:
    texts = repr(payloads("all", "ckks").vault) + str(payloads("all").vault)
    assert ONE.fingerprint in texts
    assert ONE.master.hex()[:16] not in texts and repr(ONE.master)[2:20] not in texts and len(texts) < 2000


def test_a_committees_updates_take_a_roster() -> None:
    made = payloads("all", "committee")
    with pytest.raises(MissingKeyError, match="'committee' seals and opens by the hospitals' roster, which is not giv"):
        made.seal(np.zeros(TOTAL, np.int64))
    with pytest.raises(MissingKeyError, match="roster, which is not given here"):
        opened(made, payloads("all").seal(np.zeros(TOTAL, np.int64)), 1, ONE.fingerprint)
