"""The door for updates: any changed fact or byte is refused, each refusal has its outcome and reason."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from client_app.identity import sign
from client_app.update.payloads import Payloads, Vault
from crossward.encryption.aggregator import clear_arithmetic
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import Head, SnapshotHead, Update
from crossward.protocol.parts import Payload
from crossward.protocol.wire import read_reply, write_reply
from crossward.simulation.toy import toy_identity
from strategies.exchange.admission import Expected, Refusal, examine

PLAN = FieldPlan(8, 6, 6)
KEY = toy_identity(1)


def close_values(values: np.ndarray, sizes: tuple[int, ...], plan: FieldPlan) -> Payload:
    return Payloads(sizes, plan, Vault()).seal(values)


def snapshot(values: np.ndarray) -> Payload:
    return Payloads((3, 2), PLAN, Vault()).wrap(values, PLAN.snapshot_bits(1), "place")


SNAPSHOT = (SnapshotHead(9, (0,)), (snapshot(np.arange(5)),))
UPDATE = sign(
    Update(
        lineage="l",
        task=7,
        version=9,
        epoch=1,
        layout="layout",
        key="",
        site="ward",
        state_hash="ff",
        head=Head(5, "abc"),
        num_examples=10,
        num_tokens=100,
        loss_sum=50.5,
        steps=3,
        train_seconds=1.5,
        compute_seconds=2.0,
        clipped=0.25,
        payload=close_values(np.array([1, -2, 3, 127, -127]), (3, 2), PLAN),
        snapshot=SNAPSHOT,
    ),
    KEY,
)
EXPECTED = Expected("l", 7, 9, 1, "", "layout", (("clear", 3), ("clear", 2)), UPDATE.public_key, clear_arithmetic())


def look(update: Update, expected: Expected = EXPECTED, **changes: Any) -> Refusal | None:
    numbers = {"staleness": 0, "max_staleness": 10, "multiplier": 1, "room": 4} | changes
    return examine(update, expected, PLAN, **numbers)


def outcome(update: Update, expected: Expected = EXPECTED, **changes: Any) -> tuple[str, str]:
    refusal = look(update, expected, **changes)
    assert refusal is not None
    return refusal.outcome, refusal.reason.text


def test_an_untouched_update_enters_also_after_the_wire() -> None:
    assert look(UPDATE) is None
    assert look(read_reply(write_reply(UPDATE))) is None  # type: ignore[arg-type]
    assert look(UPDATE, replace(EXPECTED, layout="", shape=(), public_key=b"")) is None


def _other(value: Any) -> list[Any]:
    match value:
        case Head():
            return [Head(value.seq + 1, value.hash), Head(value.seq, value.hash + "0")]
        case int():
            return [value + 1]
        case float():
            return [value + 1e-9, -value]
        case str():
            return [value + "x", " "]
        case b"":
            return [b"\0"]
        case bytes():
            changed = [value[:-1], value + b"\0", bytes(byte ^ 1 for byte in value[:1]) + value[1:], b""]
            return [other for other in changed if other != value]
    return []


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Update) if f.name not in ("payload", "snapshot")])
def test_any_changed_fact_is_refused(name: str) -> None:
    changes = _other(getattr(UPDATE, name))
    assert changes
    for value in changes:
        assert look(replace(UPDATE, **{name: value})) is not None, (name, value)


def test_an_update_protects_what_the_run_does_and_tells_no_loss_then() -> None:
    private = replace(UPDATE, privacy_unit="patient", loss_sum=0.0, local_epsilon=2.0, local_epsilon_step=0.5)
    expected = replace(EXPECTED, privacy_unit="patient")
    assert look(sign(private, KEY), expected) is None
    for changed, run, message in (
        (UPDATE, expected, "privacy.unit = 'none', the run has 'patient'"),
        (private, EXPECTED, "privacy.unit = 'patient', the run has 'none'"),
        (replace(private, loss_sum=50.5), expected, "reports a training loss"),
        (replace(UPDATE, local_epsilon=2.0), EXPECTED, "names an epsilon of 2.0"),
    ):
        kind, reason = outcome(sign(changed, KEY), run)
        assert kind == "malformed" and message in reason
    assert look(replace(private, local_epsilon=1.0), expected) is not None  # signed, too


def test_any_flipped_bit_of_the_payload_is_refused() -> None:
    data = bytes(UPDATE.payload.data)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << (bit % 8)
        changed = replace(UPDATE, payload=Payload(UPDATE.payload.heads, bytes(flipped)))
        assert outcome(changed)[0] == "malformed"
        assert "signature" in outcome(changed)[1]


def test_a_changed_index_is_refused() -> None:
    first, second = UPDATE.payload.heads
    data = UPDATE.payload.data
    for heads in [
        (first._replace(length=2, size=2), second._replace(length=3, size=3)),
        (first._replace(kind="other"), second),
        (first._replace(bits=7), second),
        (second, first),
    ]:
        assert outcome(replace(UPDATE, payload=Payload(heads, data)))[0] == "malformed"


@pytest.mark.parametrize(
    "snapshot",
    [
        None,
        (SnapshotHead(8, (0,)), SNAPSHOT[1]),
        (SnapshotHead(9, (1,)), SNAPSHOT[1]),
        (SNAPSHOT[0], (snapshot(np.arange(5) + 1),)),
        (SnapshotHead(9, (0, 1)), SNAPSHOT[1] * 2),
    ],
)
def test_a_changed_snapshot_is_refused(snapshot: Any) -> None:
    assert outcome(replace(UPDATE, snapshot=snapshot))[0] == "malformed"


def test_a_snapshot_put_into_an_update_without_one_is_refused() -> None:
    bare = sign(replace(UPDATE, snapshot=None), KEY)
    assert look(bare) is None
    assert outcome(replace(bare, snapshot=SNAPSHOT))[0] == "malformed"


def test_another_protocol_version_is_signed_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossward.protocol.messages.VERSION", 99)
    assert outcome(UPDATE)[0] == "malformed"


@pytest.mark.parametrize(
    ("update", "expected", "kind", "text"),
    [
        ({"lineage": "other"}, {}, "malformed", "lineage is 'other', expected 'l'"),
        ({"task": 8}, {}, "malformed", "task is 8, expected 7"),
        ({"version": 8}, {}, "malformed", "version is 8, expected 9"),
        ({"epoch": 0}, {}, "malformed", "epoch is 0, expected 1"),
        ({"loss_sum": 10_001.0}, {}, "malformed", "mean loss of 100.0 nats"),
        ({"key": "k", "snapshot": None}, {}, "wrong-key", "made under key k, against the run's encryption.policy"),
        ({}, {"key": "k"}, "wrong-key", "made under key none, this run uses k"),
        ({"layout": "mine"}, {}, "wrong-layout", "layout mine instead of layout"),
        ({"payload": close_values(np.arange(5), (2, 3), PLAN)}, {}, "malformed", "differ from the run's"),
        (
            {"payload": close_values(np.arange(4), (3, 1), PLAN), "snapshot": None},
            {},
            "malformed",
            "differ from the run's",
        ),
        ({"payload": close_values(np.arange(5), (3, 2), FieldPlan(9, 6, 6))}, {}, "malformed", "fields of 9 bits"),
        ({"payload": Payload((), b"")}, {}, "malformed", "holds no part"),
    ],
)
def test_what_is_well_signed_but_wrong_has_its_outcome(
    update: dict[str, Any], expected: dict[str, Any], kind: str, text: str
) -> None:
    got = outcome(sign(replace(UPDATE, **update), KEY), replace(EXPECTED, **expected))
    assert got[0] == kind
    assert text in got[1]


def test_another_identity_is_a_wrong_key() -> None:
    assert outcome(sign(UPDATE, toy_identity(2)))[0] == "wrong-key"
    assert look(sign(UPDATE, toy_identity(2)), replace(EXPECTED, public_key=b"")) is None


@pytest.mark.parametrize("public_key", [b"", b"short", bytes(32), b"\xff" * 32])
def test_odd_public_keys_are_malformed(public_key: bytes) -> None:
    assert outcome(replace(UPDATE, public_key=public_key))[0] == "malformed"


def test_staleness_and_coarse_epochs_are_late_at_their_limits() -> None:
    assert look(UPDATE, staleness=10) is None
    assert outcome(UPDATE, staleness=11) == ("late", "11 versions behind, at most 10 are allowed")
    assert look(UPDATE, multiplier=4) is None
    assert outcome(UPDATE, multiplier=8)[0] == "late"
    assert "8 times coarser" in outcome(UPDATE, multiplier=8)[1]
