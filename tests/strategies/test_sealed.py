"""Sealed federations: the clear run bit for bit; other keys, clear parts and bad snapshots; secrets stay at home."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from client_app.identity import sign
from client_app.update.payloads import Payloads, Vault
from crossward.config.encryption_schemes import CKKS
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.parallel import SealingPool
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.protocol.messages import Task, Update
from crossward.protocol.wire import read_reply, read_task, write_reply
from crossward.simulation.toy import toy_identity
from server_app.run_folder import RunFolder
from strategies.async_hybrid import AsyncHybrid
from strategies.fedavg import FedAvg

SECRET, OTHER = Secret(bytes(range(32))), Secret(bytes(range(100, 132)))
KEY, OTHER_KEY = ConsortiumKey(SECRET), ConsortiumKey(OTHER)
PLAN = FieldPlan(8, 7, 2)
Outcome = list[tuple[float, Message]]


def vault(policy: str = "all", key: ConsortiumKey | None = KEY, scheme: str = "bfv") -> Vault:
    blocks = (True, False) if policy == "sensitive" else None
    return Vault(EncryptionSettings(policy=policy, scheme=scheme, workers=1), key, blocks)


@pytest.fixture(scope="module")
def ckks_key() -> ConsortiumKey:
    from crossward.encryption.holder.ckks import make_context

    return ConsortiumKey(SECRET, (), make_context()[0])


def adapters(f: Any) -> list[bytes]:
    """Every node's adapter as it would be used."""
    return [
        f.state_of(node).copy.vector(np.zeros(16, np.float32), f.plan, f.schedule).tobytes() for node in sorted(f.nodes)
    ]


def integers(f: Any) -> list[tuple[int, int, list[int], list[int]]]:
    """Version -> what it holds, opened: epoch, weights, integers."""
    out = []
    for line in f.made():
        opened = f.version_sum(line)
        out.append((line["version"], line["epoch"], line["weights"], opened.tolist()))
    return out


# ---------------------------------------------------------------------- sealed = clear


@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
@pytest.mark.parametrize("scheme", ["all", "sensitive", "ckks"])
def test_a_sealed_run_is_the_clear_run_bit_for_bit(
    federation: Any, tmp_path: Path, ckks_key: ConsortiumKey, kind: type, scheme: str
) -> None:
    sealing = vault(key=ckks_key, scheme=CKKS) if scheme == "ckks" else vault(scheme)
    runs = []
    for name, held in (("clear", Vault()), ("sealed", sealing)):
        f = federation(folder=tmp_path / name, versions=8, kind=kind, vault=held, plan=PLAN, joins={4: 33.0})
        f.start()
        f.check_accounts()
        f.check_agreement()
        f.check_residuals()
        runs.append(f)
    clear, sealed = runs
    assert len(sealed.made()) == 8 and integers(sealed) == integers(clear)
    assert adapters(sealed) == adapters(clear) and len(set(adapters(sealed))) == 1
    assert all(sealed.starts[at].tobytes() == start.tobytes() for at, start in clear.starts.items())
    kinds = {head.kind for _, update in sealed.sent.values() for head in update.payload.heads}
    assert kinds == {"all": {"bfv"}, "sensitive": {"bfv", "clear"}, "ckks": {"ckks"}}[scheme]
    assert all(line["key"] == SECRET.fingerprint for line in sealed.made())


def test_state_hashes_tell_a_server_nothing(federation: Any, tmp_path: Path) -> None:
    """Keyed: equal states under another key hash otherwise, and no server could compute them from a guess."""
    hashes = []
    for number, key in enumerate((KEY, OTHER_KEY)):
        f = federation(folder=tmp_path / str(number), versions=2, vault=vault(key=key))
        f.start()
        hashes.append({line["state_hash"] for line in f.lines("accepted")})
    assert hashes[0] and not hashes[0] & hashes[1]


# ---------------------------------------------------------------------- one hospital unlike the others


def with_odd_one(federation: Any, odd: Vault, most: Vault | None = None, **keywords: Any) -> tuple[Any, list[Task]]:
    """A federation whose node 4 seals as ``odd`` says, and the tasks that node was sent."""
    tasks: list[Task] = []

    def watch(who: int, message: Message, reply: Message) -> Outcome:
        if who == 4:
            tasks.append(read_task(message.content))
        return [(0.0, reply)]

    given = {"versions": 8, "plan": PLAN, "retry_seconds": 1.0, "fault": watch} | keywords
    f = federation(vault=most or vault(), **given)
    f.nodes[4].app = federation(vault=odd, **given | {"fault": None}).nodes[4].app
    f.start()
    return f, tasks


@pytest.mark.parametrize("compute", [(2, 3, 4, 1), (1, 2, 3, 7)])
@pytest.mark.parametrize("fixed", [True, False])
def test_a_node_with_another_key_is_refused_and_told_and_the_others_go_on(
    federation: Any, compute: tuple[int, ...], fixed: bool
) -> None:
    key = SECRET.fingerprint if fixed else ""
    f, tasks = with_odd_one(federation, vault(key=OTHER_KEY), compute=compute, key=key)
    assert len(f.made()) == 8 and {line["key"] for line in f.made()} == {SECRET.fingerprint}
    assert all("toy-3" not in line["sites"] for line in f.made())
    lines = f.lines("wrong-key")
    assert lines and all(line["node"] == "4" for line in lines)
    assert any(SECRET.fingerprint in line["reason"] and OTHER.fingerprint in line["reason"] for line in lines)
    assert any(SECRET.fingerprint in (task.key, task.refused) for task in tasks)
    assert not any(line["node"] == "4" for line in f.lines("failed", "malformed"))
    f.check_agreement([1, 2, 3])


@pytest.mark.parametrize(
    ("most", "odd", "text"),
    [
        (vault(), Vault(), "the run's encryption.policy allows bfv"),
        (Vault(), vault(), "the run's encryption.policy allows clear"),
        (vault("sensitive"), Vault(), "nothing in the update is sealed"),
        (vault("sensitive"), vault(), "layout"),
        (vault(), vault("sensitive"), "the run's encryption.policy allows bfv"),
    ],
)
def test_a_node_of_another_policy_is_refused_and_told(federation: Any, most: Vault, odd: Vault, text: str) -> None:
    f, tasks = with_odd_one(federation, odd, most, compute=(2, 3, 4, 1))
    assert len(f.made()) == 8 and all("toy-3" not in line["sites"] for line in f.made())
    refused = [line for line in f.lines("malformed", "wrong-layout", "wrong-key") if line["node"] == "4"]
    assert any(text in line["reason"] for line in refused), refused
    assert any(text in task.refused for task in tasks)
    f.check_agreement([1, 2, 3])


@pytest.mark.parametrize("policy", ["all", "none"])
def test_parts_of_a_kind_that_the_policy_forbids_never_reach_a_sum(federation: Any, policy: str) -> None:
    """Signed by its owner, under the right key's name: a clear part in a sealed run and the other way round."""
    most, other = (vault(), Vault()) if policy == "all" else (Vault(), vault())

    def swap(who: int, message: Message, reply: Message) -> Outcome:
        update = read_reply(reply.content)
        if who != 4 or not isinstance(update, Update):
            return [(0.0, reply)]
        parts = Payloads((8, 8), PLAN, other).seal(np.ones(16, np.int64))
        changed = sign(replace(update, payload=parts), toy_identity(4))
        return [(0.0, Message(content=write_reply(changed), reply_to=message))]

    f = federation(vault=most, versions=6, plan=PLAN, fault=swap, retry_seconds=1.0)
    f.start()
    assert len(f.made()) == 6 and all("toy-3" not in line["sites"] for line in f.made())
    assert {line["node"] for line in f.lines("malformed")} == {"4"}
    f.check_agreement()


# ---------------------------------------------------------------------- nothing secret leaves


def traces(*secrets: Secret) -> dict[str, bytes]:
    """Every spelling of a secret, or of what is derived from it, that could be found in bytes."""
    found = {}
    for number, secret in enumerate(secrets):
        raw = (secret.master, secret.bfv_seed(), secret.snapshot_key(), secret.hash_key())
        for name, data in zip(("master", "seed", "snapshot", "hash"), raw, strict=True):
            spelled = (data[:16], data.hex().encode()[:24], base64.b64encode(data)[:20], repr(data[:12]).encode()[2:-1])
            found |= {f"{name} {number} {i}": text for i, text in enumerate(spelled)}
    return found


def test_nothing_secret_is_in_a_run_folder_a_log_or_a_message(
    federation: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run with everything that is written: versions, sums, snapshots, refusals under another key, failures."""
    caplog.set_level(logging.DEBUG)
    messages: list[bytes] = []

    def watch(who: int, message: Message, reply: Message) -> Outcome:
        for content in (message.content, reply.content):
            messages.append(repr(content).encode())
            messages.extend(bytes(a.data) for r in content.array_records.values() for a in r.values())
        return [(0.0, reply)]

    folder = RunFolder.create(tmp_path / "run", {"encryption.policy": "all"}, PLAN, durable=False)
    f, _ = with_odd_one(
        federation,
        vault(key=OTHER_KEY),
        compute=(1, 2, 3, 4),
        journal=folder,
        versions=12,
        snapshot_every=3,
        evaluate_every=4,
        fault=watch,
    )
    assert f.lines("snapshot") and f.lines("wrong-key") and len(messages) > 100
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    out = capfd.readouterr()
    printed = [record.getMessage().encode() for record in caplog.records] + [out.out.encode(), out.err.encode()]
    held = [
        repr(thing).encode() for thing in (f.vault, vars(f.strategy.state), KEY, SealingPool("bfv", PLAN, b"x" * 64))
    ]
    assert len(files) > 20 and any(len(data) > 60000 for data in files)
    everything = b"|".join([*files, *messages, *printed, *held])
    assert {name for name, text in traces(SECRET, OTHER).items() if text in everything} == set()
    assert SECRET.fingerprint.encode() in everything
    planted = everything + base64.b64encode(SECRET.hash_key()) + SECRET.master
    assert {name for name, text in traces(SECRET).items() if text in planted} == {"master 0 0", "hash 0 2"}
