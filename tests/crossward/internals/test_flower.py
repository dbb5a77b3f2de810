"""What is used of Flower's internals is there, takes effect, and is missed with a clear error."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Message, RecordDict

from crossward.internals import flower
from crossward.internals.check import InternalsError
from crossward.internals.flower import FLOWER

ROOT = Path(__file__).parents[3]
CONSTANT = FLOWER.require("flwr.supercore.constant")
IDENTITY = FLOWER.require("flwr.supercore.task_identity:TaskIdentity")


def in_a_process(code: str, **variables: str) -> str:
    """What ``code`` prints in a process of its own: Flower reads environment variables when it is imported."""
    set_here = f"import os, warnings; warnings.simplefilter('ignore'); os.environ |= {variables!r}\n"
    command = [sys.executable, "-c", set_here + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_arrays_travel_in_chunks_of_the_size_that_was_set() -> None:
    code = "import numpy as np; from flwr.app import Array\nprint(len(Array(np.zeros(9000, np.uint8)).slice_array()))"
    assert in_a_process(code, **flower.chunk_variable(4096)) == "3"


def test_flwr_run_looks_on_the_ports_that_were_set() -> None:
    code = "from flwr.cli import constant as c; print(c.LOCAL_SUPERLINK_HTTP_API_PORT, c.LOCAL_CONTROL_API_ADDRESS)"
    assert in_a_process(code, **flower.port_variables(1234, 5678)) == "1234 127.0.0.1:5678"


def test_a_superexec_looks_for_tasks_as_often_as_was_set() -> None:
    code = "from flwr.supercore.superexec import run_superexec as r; print(r._get_task_poll_interval())"
    assert in_a_process(code, **flower.task_poll_variable(0.2)) == "0.2"


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        ("flwr.superlink.cli", "flower_superlink", flower.superlink_command),
        ("flwr.supernode.cli", "flwr_clientapp", flower.clientapp_command),
        ("flwr.supercore.constant", "SQLITE_PRAGMAS", lambda: flower.set_busy_timeout(1)),
        ("flwr.supercore.task_identity", "TaskIdentity", flower.set_task_identity),
        ("flwr.supercore.run", "Run", flower.empty_run),
    ],
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, module: str, name: str, call: Any) -> None:
    monkeypatch.delattr(FLOWER.require(module), name)
    with pytest.raises(InternalsError, match=rf"^flwr \S+: {module}\.{name}\S* does not exist .* install that version"):
        call()


def test_variables_that_flower_does_not_read_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("common", "cli"):
        (tmp_path / "flwr" / folder).mkdir(parents=True)
        (tmp_path / "flwr" / folder / "constant.py").write_text('os.getenv("FLWR_LOCAL_CONTROL_API_PORT")')
    elsewhere = SimpleNamespace(locate_file=tmp_path.joinpath)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda package: elsewhere)
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "9.9")
    with pytest.raises(InternalsError, match=r"^flwr 9\.9: flwr/common/constant\.py does not contain '\"FLWR_PRIVATE"):
        flower.chunk_variable(1)
    with pytest.raises(InternalsError, match="does not contain '\"FLWR_LOCAL_SUPERLINK_HTTP_API_PORT\"'\\. cross"):
        flower.port_variables(1, 2)


def test_the_superlinks_command_is_found() -> None:
    assert flower.superlink_command().__name__ == "flower_superlink"
    assert flower.clientapp_command().__name__ == "flwr_clientapp"


def test_another_database_is_not_changed_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the timeout takes effect is in ``tests/crossward/deploy/test_aggregator.py``."""
    monkeypatch.setattr(CONSTANT, "SQLITE_PRAGMAS", CONSTANT.SQLITE_PRAGMAS)
    FLOWER.require("flwr.supercore.sql_mixin")  # has been imported, so it has the old value
    with pytest.raises(InternalsError, match="sql_mixin does not use the pragmas"):
        flower.set_busy_timeout(25_000)
    monkeypatch.setattr(CONSTANT, "SQLITE_PRAGMAS", (("journal_mode", "WAL"),))
    with pytest.raises(InternalsError, match="SQLITE_PRAGMAS has no busy_timeout"):
        flower.set_busy_timeout(25_000)


def test_messages_can_be_made_and_named_without_a_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IDENTITY, "_run_id", None)
    flower.set_task_identity()
    assert (IDENTITY.run_id, IDENTITY.node_id, IDENTITY.task_id) == (1, 1, 1)
    message = Message(content=RecordDict(), dst_node_id=1, message_type="train")
    flower.set_message_id(message, "m")
    assert (message.metadata.message_id, message.metadata.run_id) == ("m", 1)
    assert Message(content=RecordDict(), reply_to=message).metadata.reply_to_message_id == "m"
    assert flower.empty_run().run_id == 1


def test_an_identity_or_metadata_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["flwr.supercore.task_identity"], "TaskIdentity", type("Other", (), {"run_id": 0}))
    with pytest.raises(InternalsError, match="TaskIdentity has no run_id"):
        flower.set_task_identity()
    with pytest.raises(InternalsError, match="keeps a message's id and run elsewhere"):
        flower.set_message_id(SimpleNamespace(metadata=SimpleNamespace(message_id="")), "m")  # type: ignore[arg-type]


def test_a_node_is_signed_off_with_its_own_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    class Client:
        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            asked.append("closed")

        def DeactivateNode(self, request: Any) -> None:
            asked.append(request.node_id)

    def connect(server_address: str, insecure: bool, root_certificates: str, interceptors: list[Any]) -> Client:
        asked.extend([server_address, insecure, root_certificates, [type(one).__name__ for one in interceptors]])
        return Client()

    client = FLOWER.require("flwr.supernode.fleet_http_client:FleetHttpClient")
    monkeypatch.setattr(client, "from_server_address", connect)
    flower.deactivate_node("hub:443", tmp_path / "ca.crt", ec.generate_private_key(ec.SECP384R1()), 7)
    kinds = ["RuntimeVersionHttpInterceptor", "NodeAuthHttpInterceptor"]
    assert asked == ["hub:443", False, str(tmp_path / "ca.crt"), kinds, 7, "closed"]


def source(module: str) -> str:
    return Path(FLOWER.require(module).__file__).read_text(encoding="utf-8")


def test_the_lines_are_those_that_flower_prints() -> None:
    node = source("flwr.supernode.start_client_internal")
    lines = ('"SuperNode ID: %s"', '"Receiving: %s message (ID: %s)"', '"Sending: %s message (ID: %s)"')
    for text in (*lines, flower.SENT, flower.IGNORED):
        assert text in node, text
    assert flower.GREETINGS[0] in source("flwr.cli.flower_config")
    assert flower.GREETINGS[1] in source("flwr.cli.utils") and "[code: {err.code}]" in source("flwr.cli.utils")
    assert "[code: {flower_error.code}]" in source("flwr.supernode.fleet_http_connection")
    assert "[ApiError:{err.code}]" in source("flwr.supercore.error.http")


def test_the_codes_are_flowers() -> None:
    codes = {
        name: int(code)
        for name, code in vars(FLOWER.require("flwr.supercore.error.base:ApiErrorCode")).items()
        if isinstance(code, int)
    }
    wanted = {"PUBLIC_KEY_ALREADY_IN_USE": flower.KEY_IN_USE, "NODE_NOT_FOUND": flower.NODE_NOT_FOUND}
    wanted["FLEET_NODE_ACTIVATION_FAILED"] = flower.NOT_ACTIVATED
    for name, text in wanted.items():
        assert text == f"[code: {codes[name]}]", name
    key = "-----BEGIN PUBLIC KEY-----\\nAB\\n-----END PUBLIC KEY-----"
    found = flower.KEY_NOT_ACTIVATED.search(f"[/x][ApiError:{codes['FLEET_NODE_ACTIVATION_FAILED']}] of {key}.")
    assert found is not None and found[1] == key
