"""What a malicious server can ask of a node, and what the node's answers give away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tenseal.sealapi as seal

from crossward.config.run_config import RunConfig

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate

from flwr.app import Message

from client_app.guard.demands import check_demands
from client_app.handlers import respond
from client_app.node import Node
from client_app.state.folder import NodeState, StateFolder
from client_app.update.payloads import Payloads, Vault
from client_app.update.sealer import UpdateSealer
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.node_config import NodeConfig
from crossward.config.schedule import Schedule
from crossward.config.settings import SettingsError
from crossward.encryption.bfv import Bfv, to_60_bits
from crossward.encryption.bfv_key import seeded_secret_key
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import RING, FieldPlan
from crossward.encryption.secret import Secret
from crossward.protocol.messages import Evaluation, Failure, Head, RecordHead, SnapshotHead, Task, Update
from crossward.protocol.parts import Part, PartHead, Payload, join
from crossward.protocol.wire import read_reply, write_task
from crossward.simulation.toy import ToyLearner, toy_context, toy_identity
from crossward.simulation.virtual_grid import VirtualClock, VirtualGrid

SECRET = Secret(bytes(range(32)))
PLAN = FieldPlan(8, 6, 6)
SCHEDULE = Schedule(versions=10, local_steps=5, peak=0.05)
TASK = Task("line", 1, 0, 0, 0, 10, (8, 6, 6), Head(3, "abc"))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    vault = Vault(EncryptionSettings(scheme=BFV, workers=1), ConsortiumKey(SECRET))
    VirtualGrid({}, VirtualClock())  # says which run messages belong to
    learner, sealer = ToyLearner(0, SCHEDULE), UpdateSealer(vault)
    return Node(learner, tmp_path / "n", toy_identity(1), SCHEDULE, 0, lambda: 0.0, False, sealer)


def asked(node: Node, task: Task, act: Any = Node.train) -> Any:
    """The node's reply as the server would read it."""
    message = Message(content=write_task(task), dst_node_id=1, message_type="train")
    message.metadata.__dict__["_message_id"] = "m"
    return read_reply(respond(message, toy_context(0), lambda context, t: node, act).content)


def sealed(payload: Payload) -> tuple[RecordHead, Payload]:
    return RecordHead(1, 1, 0, 1, 1, SECRET.fingerprint), payload


def record() -> tuple[RecordHead, Payload]:
    vault = Vault(EncryptionSettings(scheme=BFV, workers=1), ConsortiumKey(SECRET))
    return sealed(Payloads((8, 8), PLAN, vault).seal(np.arange(16)))


BAD: list[tuple[str, Task]] = [
    ("a plan that cannot be sealed", replace(TASK, plan=(24, 20, 16))),
    ("a plan of no bits", replace(TASK, plan=(0, 0, 0))),
    ("negative bits", replace(TASK, plan=(-8, 7, 2))),
    ("an epoch that no run has", replace(TASK, epoch=-100000)),
    ("a version before the first", replace(TASK, version=-5, from_version=-5)),
    ("a version without its records", replace(TASK, version=4)),
    ("a key that the node does not hold", replace(TASK, key="0123456789abcdef")),
    ("a record under a key that the node does not hold", None),  # type: ignore[list-item]
    ("a record under no key", None),  # type: ignore[list-item]
    ("a clear record in a sealed run", None),  # type: ignore[list-item]
    ("a weight that no version has", None),  # type: ignore[list-item]
    ("a snapshot under no key", None),  # type: ignore[list-item]
    ("more versions than fit a snapshot", None),  # type: ignore[list-item]
]


def bad(what: str, task: Task | None) -> Task:
    if task is not None:
        return task
    head, payload = record()
    clear = Payloads((8, 8), PLAN, Vault()).seal(np.arange(16))
    made = {
        "a record under a key that the node does not hold": [(head._replace(key="0123456789abcdef"), payload)],
        "a record under no key": [(head._replace(key=""), payload)],
        "a clear record in a sealed run": [(head, clear)],
        "a weight that no version has": [(head._replace(weight_sum=1 << 40), payload)],
    }
    if what == "more versions than fit a snapshot":
        return replace(TASK, version=1, records=(record(),), versions=(1 << 63) - 1, want_snapshot=True)
    if what in made:
        return replace(TASK, version=1, records=tuple(made[what]))
    return replace(TASK, snapshot=(SnapshotHead(0, (0,), ""), (clear,)))


@pytest.mark.parametrize(("what", "task"), BAD)
@pytest.mark.parametrize("act", [Node.train, Node.evaluate, Node.alone])
def test_a_task_that_cannot_be_is_refused_and_leaves_the_state_alone(
    node: Node, what: str, task: Task, act: Any
) -> None:
    if act is not Node.train and what in ("more versions than fit a snapshot", "an epoch that no run has"):
        return  # only a training rounds and takes snapshots
    assert isinstance(asked(node, TASK), Update)
    before = node.store.load(node.layout)
    reply = asked(node, replace(bad(what, task), task=2), act)
    assert isinstance(reply, Failure) and len(reply.reason) > 10, reply
    after = node.store.load(node.layout)
    assert (after.copy.version, after.pending_task) == (before.copy.version, before.pending_task) == (0, 1)
    assert SECRET.master.hex()[:16] not in reply.reason


@pytest.mark.parametrize("policy", ["none", "sensitive"])
def test_a_run_that_seals_less_is_refused_by_a_hospital_that_did_not_agree(policy: str) -> None:
    with pytest.raises(SettingsError, match="nothing was trained or sent"):
        check_demands(RunConfig.read({"encryption.policy": policy}), NodeConfig())


def test_no_task_makes_a_sealing_node_send_a_clear_value(node: Node) -> None:
    """Whatever plan, key or snapshot the server asks for."""
    for plan in ((8, 6, 6), (2, 2, 0), (24, 2, 0), (12, 10, 0)):
        reply = asked(node, replace(TASK, plan=plan, want_snapshot=True))
        assert isinstance(reply, Update) and reply.snapshot is not None
        kinds = {head.kind for payload in (reply.payload, *reply.snapshot[1]) for head in payload.heads}
        assert kinds <= {"bfv", "aes-gcm"}


# ---------------------------------------------------------------------- what answers give away


def crafted(made: Bfv, first: np.ndarray, second: np.ndarray) -> Payload:
    """A ciphertext of two polynomials of the server's choice."""
    data = to_60_bits(np.concatenate([first, second]).astype(np.uint64)).tobytes()
    return join([Part(PartHead("bfv", 16, 14, len(data)), data)])


def guess(node: Node, made: Bfv, position: int) -> int:
    """The secret key's coefficient at ``position``, from whether the node could open two chosen ciphertexts.

    ``c0 = T x^j, c1 = M`` decrypts with noise ``T + M s_j`` there and ``M s_i`` elsewhere; T and M are chosen so that
    it is too much for one value of ``s_j`` only. It would open to zero, so nothing else is noticed.
    """
    delta = made.modulus // int(made.context.key_context_data().parms().plain_modulus().value())
    found = {}
    for sign in (1, -1):
        first, second = np.zeros(RING, dtype=object), np.zeros(RING, dtype=object)
        first[position], second[0] = sign * (delta * 18 // 100) % made.modulus, delta * 12 // 100
        head, payload = sealed(crafted(made, first, second))
        reply = asked(node, replace(TASK, version=1, records=((head, payload),)), Node.evaluate)
        found[sign] = isinstance(reply, Evaluation)
    return 0 if found[1] and found[-1] else 1 if found[-1] else -1


def test_a_server_cannot_read_the_secret_key_off_a_nodes_answers(node: Node) -> None:
    """BFV is not secure against chosen ciphertexts: 2 questions a coefficient, 8192 for the whole key."""
    made, words = Bfv(PLAN), np.zeros(2 * RING, dtype=np.uint64)
    modulus = int(made.context.key_context_data().parms().plain_modulus().value())
    words[RING] = made.modulus // modulus  # c0 = 0, c1 = q/t decrypts to the key itself
    plain = seal.Plaintext()
    key = seeded_secret_key(SECRET.bfv_seed(), made.plain_bits)
    seal.Decryptor(made.context, key).decrypt(made.load(to_60_bits(words).tobytes()), plain)
    positions = range(0, 4096, 256)
    known = [(int(plain[p]) + 1) % modulus - 1 for p in positions]
    assert {-1, 0, 1} == set(known)
    assert [guess(node, made, p) for p in positions] != known


# ---------------------------------------------------------------------- two processes of one node


def test_two_processes_of_one_node_leave_a_state_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that timed out at the server may still be at work when the next one comes."""
    one, two = StateFolder(tmp_path / "s", durable=False), StateFolder(tmp_path / "s", durable=False)
    write = np.savez

    def write_and_be_overtaken(file: Any, **arrays: Any) -> None:
        write(file, **arrays)
        monkeypatch.setattr(np, "savez", write)
        two.save(NodeState("layout", residual=np.ones(3, np.float32)))

    monkeypatch.setattr(np, "savez", write_and_be_overtaken)
    one.save(NodeState("layout", residual=np.zeros(3, np.float32)))
    assert one.load("layout").residual is not None
