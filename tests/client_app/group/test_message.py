"""A message's whole way through a deployed ClientApp: no torch in its process, and what the in-process engine sends."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flwr.app import Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from client_app.app import app
from crossward.encryption.key_file import create_key
from crossward.protocol.messages import EVALUATE, TRAIN, Evaluation, Failure, Head, Reply, Task, Update
from crossward.protocol.wire import read_reply, write_task

ROOT = Path(__file__).resolve().parents[3]
TASK = Task("0123abcd", 5, 0, 0, 0, 2, (8, 7, 0), Head(0, "ab" * 32))
CLIENT = """
import importlib.util, json, pickle, sys
spec = importlib.util.spec_from_file_location("test_message", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["test_message"] = module
spec.loader.exec_module(module)
config, node = json.loads(sys.argv[2])
reply = module.ask(module.TASK, config, node)
heavy = [name for name in ("torch", "transformers", "datasets", "peft", "accelerate") if name in sys.modules]
if hasattr(reply, "payload"):  # as bytes, which can be pickled
    reply = module.replace(reply, payload=type(reply.payload)(reply.payload.heads, bytes(reply.payload.data)))
sys.stdout.buffer.write(pickle.dumps((reply, heavy)))
"""


def ask(task: Task, config: dict[str, Any], node: dict[str, Any], kind: str = TRAIN) -> Reply:
    """What a node answers."""
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    context = Context(run_id=1, node_id=1, node_config=node, state=RecordDict(), run_config=config)
    message = Message(content=write_task(task), message_type=kind, dst_node_id=1, group_id="")
    message.metadata.__dict__["_message_id"] = "message-1"
    return read_reply(app(message, context).content)


def in_its_own_process(config: dict[str, Any], node: dict[str, Any]) -> tuple[Reply, list[str]]:
    """The answer, and the large libraries that its process had imported."""
    command = [sys.executable, "-c", CLIENT, __file__, json.dumps([config, node])]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=300, check=True)
    reply, heavy = pickle.loads(done.stdout)  # noqa: S301 - from our own process
    return reply, heavy


@pytest.fixture
def given(tmp_path: Path, hospitals: Callable[[], Any]) -> dict[str, Any]:
    """Node config of a hospital that would send in the clear."""
    create_key(tmp_path / "consortium.key")
    return {"data-path": str(hospitals().notes), "key-path": str(tmp_path / "consortium.key"), "policy": "none"}


def test_a_message_needs_no_torch_and_the_group_goes_with_the_runs_last_one(
    tmp_path: Path, shared: Any, given: dict[str, Any]
) -> None:
    config = shared.config(encryption__policy="none", data__path="/nowhere.csv")
    one = given | {"state-dir": str(tmp_path / "one"), "node.engine": "worker-group", "node.num-processes": 1}
    got, heavy = in_its_own_process(config, one)
    assert isinstance(got, Update), got
    assert heavy == []
    Ed25519PublicKey.from_public_bytes(got.public_key).verify(got.signature, got.signed_bytes())
    shared.folder, folder = tmp_path / "one" / "workers", shared.folder
    group, shared.folder = shared.group(), folder
    assert len(group.ranks) == 1 and group.left() == group.processes

    wanted = ask(TASK, config, given | {"state-dir": str(tmp_path / "two"), "node.engine": "in-process"})
    assert isinstance(wanted, Update)
    assert {h.kind for h in wanted.payload.heads} == {"clear"} and any(bytes(wanted.payload.data))
    assert got.payload == wanted.payload
    for name in ("layout", "site", "state_hash", "num_examples", "num_tokens", "loss_sum", "steps", "clipped"):
        assert getattr(got, name) == getattr(wanted, name), name

    # the next message is another process; the run's last one sends the group away
    last = ask(replace(TASK, task=6, last=True), config, one, EVALUATE)
    assert isinstance(last, Evaluation) and set(last.measures) == {"base", "global"}
    assert last.measures["base"] == last.measures["global"]
    group.await_end()
    assert "its run is over" in (group.folder / "group.log").read_text()


def test_what_goes_wrong_in_the_group_is_the_reply(
    tmp_path: Path, shared: Any, given: dict[str, Any], caplog: Any
) -> None:
    """Bad notes, found by the ranks of a group that stays; what they hold does not leave the node."""
    node = given | {"state-dir": str(tmp_path), "node.engine": "worker-group", "data-path": str(tmp_path / "gone.csv")}
    (tmp_path / "workers").symlink_to(shared.folder)
    shared.learner().initial()
    group = shared.group()
    got = ask(TASK, shared.config(encryption__policy="none"), node)
    assert isinstance(got, Failure) and got.reason.startswith(
        "WorkerError: DataError in data/notes_file.py, notes_file"
    )
    assert "gone.csv" not in got.reason and "Traceback" not in got.reason
    assert f"WorkerError: DataError: {tmp_path / 'gone.csv'}" in caplog.text
    assert isinstance(
        ask(TASK, shared.config(encryption__policy="none"), node | {"data-path": str(shared.notes)}), Update
    )
    assert shared.group().left() == group.processes
