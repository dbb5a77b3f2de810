"""Sealed snapshots bound a newcomer's download; one that is swapped, changed or under another key helps nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flwr.app import Message

from client_app.identity import sign
from client_app.update.payloads import Vault
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.protocol.messages import SnapshotHead, Update
from crossward.protocol.parts import Payload
from crossward.protocol.wire import read_reply, read_task, write_reply
from crossward.simulation.toy import toy_identity

SECRET = Secret(bytes(range(32)))
SEALED = Vault(EncryptionSettings(scheme=BFV, workers=1), ConsortiumKey(SECRET))
PLAN = FieldPlan(8, 7, 0)
Outcome = list[tuple[float, Message]]
Snapshot = tuple[SnapshotHead, tuple[Payload, ...]]


def joined(federation: Any, change: Callable[[Snapshot], Snapshot] | None = None, **keywords: Any) -> tuple[Any, list]:
    """A run that node 5 joins at version 34; ``change`` is done to node 2's snapshots, signed again by their owner.

    Of each round's snapshots the second to come is confirmed: node 2's.
    """
    sent: list[Any] = []

    def watch(who: int, message: Message, reply: Message) -> Outcome:
        if who == 5:
            sent.append(read_task(message.content))
        if who != 2 or message.metadata.message_type != "train" or change is None:
            return [(0.0, reply)]
        update = read_reply(reply.content)
        if not isinstance(update, Update) or update.snapshot is None:
            return [(0.0, reply)]
        changed = sign(replace(update, snapshot=change(update.snapshot)), toy_identity(who))
        return [(0.0, Message(content=write_reply(changed), reply_to=message))]

    given: dict[str, Any] = {"versions": 45, "snapshot_every": 5, "max_staleness": 20, "retry_seconds": 0.5}
    f = federation(
        vault=SEALED,
        plan=PLAN,
        compute=(1, 1, 1, 1, 1),
        joins={5: 34.5},
        fault=watch,
        buffer_size=4,
        **given | keywords,
    )
    f.start()
    return f, sent


def test_a_newcomers_download_is_bounded_by_a_sealed_snapshot(federation: Any) -> None:
    without, _ = joined(federation, snapshot_every=0)
    f, sent = joined(federation)
    first = {
        name: next(e for e in run.lines("dispatched") if e["node"] == "5")
        for name, run in (("no", without), ("yes", f))
    }
    assert first["yes"]["version"] == first["no"]["version"] >= 20
    assert first["yes"]["bytes"] < first["no"]["bytes"] / 3
    head, payloads = sent[0].snapshot
    assert head.key == SECRET.fingerprint and {h.kind for p in payloads for h in p.heads} == {"aes-gcm"}
    assert any("toy-4" in line["sites"] for line in f.made())
    f.check_agreement()
    f.check_accounts()


def flipped(snapshot: Snapshot) -> Snapshot:
    """Changed inside: the same sizes, but nobody can open it."""
    head, payloads = snapshot
    first = bytearray(payloads[0].data)
    first[20] ^= 1
    return head, (Payload(payloads[0].heads, bytes(first)), *payloads[1:])


def swapped(snapshot: Snapshot) -> Snapshot:
    """Two epochs' payloads in each other's place."""
    head, payloads = snapshot
    return head, payloads[::-1]


@pytest.mark.parametrize("change", [flipped, swapped])
def test_a_snapshot_that_does_not_open_is_dropped_and_the_newcomer_gets_the_records(
    federation: Any, change: Callable[[Snapshot], Snapshot]
) -> None:
    """One hospital's bad snapshot, with the right state hash beside it, must not keep newcomers out."""
    f, sent = joined(federation, change)
    assert any(task.snapshot is not None and len(task.snapshot[0].epochs) > 1 for task in sent)
    assert any("toy-4" in line["sites"] for line in f.made())


@pytest.mark.parametrize("change", [flipped, swapped])
def test_a_snapshot_that_does_not_open_is_refused_with_its_reason(
    federation: Any, change: Callable[[Snapshot], Snapshot]
) -> None:
    f, _ = joined(federation, change)
    printed = [line["reason"] for line in f.lines("failed", "behind", "malformed") if line["node"] == "5"]
    assert any("sealed under another key, for another place, or changed" in reason for reason in printed)
    f.check_agreement([1, 2, 3, 4])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: (s[0]._replace(key="0123456789abcdef"), s[1]), "its snapshot is of version"),
        (lambda s: (s[0]._replace(key=""), s[1]), "its snapshot is of version"),
        (lambda s: (s[0]._replace(version=s[0].version - 1), s[1]), "its snapshot is of version"),
        (lambda s: (s[0], tuple(Payload([h._replace(kind="clear") for h in p.heads], p.data) for p in s[1])), "kind"),
        (
            lambda s: (s[0], tuple(Payload([h._replace(length=1 << 40) for h in p.heads], p.data) for p in s[1])),
            "values",
        ),
        (lambda s: (s[0], tuple(Payload([h._replace(bits=9) for h in p.heads], p.data) for p in s[1])), "its snapshot"),
        (lambda s: (s[0]._replace(epochs=tuple(range(8))), (s[1][0],) * 8), "8 epochs"),
    ],
)
def test_a_snapshot_that_cannot_be_is_refused_at_the_door(
    federation: Any, change: Callable[[Snapshot], Snapshot], text: str
) -> None:
    f, _ = joined(federation, change, versions=12)
    refused = f.lines("malformed")
    assert refused and all(text in line["reason"] and line["node"] == "2" for line in refused), refused
    assert len(f.made()) == 12
    f.check_agreement([1, 3, 4])


@pytest.mark.parametrize(
    "change",
    [
        lambda s: (s[0]._replace(epochs=tuple(e - 10**6 for e in s[0].epochs)), s[1]),
        lambda s: (s[0]._replace(epochs=tuple(e + 7 for e in s[0].epochs)), s[1]),
    ],
)
def test_epochs_that_no_run_has_are_refused_at_the_door(
    federation: Any, change: Callable[[Snapshot], Snapshot]
) -> None:
    f, _ = joined(federation, change, versions=12)
    assert {line["node"] for line in f.lines("malformed")} == {"2"}
