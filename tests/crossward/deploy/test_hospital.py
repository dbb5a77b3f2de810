"""A hospital's configuration, and its presence at the SuperLink across kills."""

from __future__ import annotations

import socket
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from crossward.deploy import hospital
from crossward.deploy.certificates import make_authority
from crossward.deploy.errors import DeployError
from crossward.deploy.hospital import NodeIdFile, init_hospital, read_hospital
from crossward.deploy.keeper import Keeper
from crossward.deploy.node_keys import fingerprint, public_text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    make_authority(tmp_path / "ca")
    return init_hospital(
        tmp_path / "ours",
        "aggregator.example:8000",
        'St. "Mary"',
        tmp_path / "notes",
        tmp_path / "ca" / "ca.crt",
        tmp_path / "consortium.key",
        9100,
    )


def test_what_is_made_reads_back(file: Path, tmp_path: Path) -> None:
    config, node = read_hospital(file)
    assert (config.superlink, config.port) == ("aggregator.example:8000", 9100)
    assert node == {
        "site": 'St. "Mary"',
        "data-path": str(tmp_path / "notes"),
        "state-dir": str(file.parent / "state"),
        "key-path": str(tmp_path / "consortium.key"),
        "roster-path": str(tmp_path / "roster.json"),
    }
    assert config.authority.read_bytes() == (tmp_path / "ca" / "ca.crt").read_bytes()
    with pytest.raises(DeployError, match="already exists"):
        init_hospital(file.parent, "x:1", "y", tmp_path, config.authority, tmp_path)


def test_notes_may_be_named_by_what_describes_them(file: Path, tmp_path: Path) -> None:
    authority = tmp_path / "ca" / "ca.crt"
    made = init_hospital(tmp_path / "b", "x:1", "B", tmp_path / "notes.toml", authority, tmp_path / "consortium.key")
    node = read_hospital(made)[1]
    assert node["notes-path"] == str(tmp_path / "notes.toml") and "data-path" not in node
    made.write_text(made.read_text().replace(str(tmp_path / "notes.toml"), "../notes.toml"))
    assert read_hospital(made)[1]["notes-path"] == str(tmp_path / "notes.toml")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('authority = "ca.crt"', 'authority = "none.crt"', "none.crt, the aggregator's CA certificate, is missing"),
        ('node-key = "node.key"', 'node-key = "none.key"', "none.key, the SuperNode's private key, is missing"),
        ("state-dir = ", "state-dri = ", "state-dir is missing: the folder for this"),
        ("[node-config]", "[node-config]\nx = [1]", r"\[node-config\] x = \[1\] is not one plain value"),
    ],
)
def test_what_is_wrong_is_named(file: Path, old: str, new: str, says: str) -> None:
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(DeployError, match=says):
        read_hospital(file)


def test_paths_are_taken_from_the_files_folder_and_from_home(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    text = file.read_text()
    made = {line.split(" = ")[0]: line for line in text.splitlines() if " = " in line}
    for key, value in (("data-path", "notes.csv"), ("state-dir", "~/state"), ("key-path", "../c.key")):
        text = text.replace(made[key], f'{key} = "{value}"')
    file.write_text(text + 'passphrase-path = ""\nbases-path = "/a/b"\n')
    _, node = read_hospital(file)
    assert node["data-path"] == str(file.parent / "notes.csv") and node["state-dir"] == "/home/ada/state"
    assert node["key-path"] == str(file.parent.parent / "c.key")
    assert (node["passphrase-path"], node["bases-path"]) == ("", "/a/b")
    file.write_text(text.replace('node-key = "node.key"', 'node-key = "~no-such-user/k"'))
    with pytest.raises(DeployError, match=r"hospital\.toml: node-key = '~no-such-user/k'.*write the path out"):
        read_hospital(file)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_was_saved_on_windows_is_read(file: Path, encoding: str) -> None:
    before = read_hospital(file)
    text = file.read_text()
    file.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert read_hospital(file) == before
    file.write_bytes(text.replace("Mary", "Märy").encode("cp1252"))
    with pytest.raises(DeployError, match=r"hospital\.toml, line 8: byte 0xe4 is not UTF-8.*save it as UTF-8"):
        read_hospital(file)


def test_a_port_that_is_taken_keeps_the_supernode_from_starting_and_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper goes on trying: what holds the port may go."""
    lines: list[str] = []
    kept: list[Any] = []

    class OneLook(Keeper):
        def run(self) -> int:
            self._look(self.services[0])
            kept.append(self.services[0])
            return 0

    monkeypatch.setattr(hospital, "Keeper", OneLook)
    port = read_hospital(file)[0].port
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        file.write_text(file.read_text().replace(f"port = {port}", f"port = {taken}"))
        hospital.keep_hospital(file, lines.append)
    (line,) = lines
    assert line.startswith(f"SuperNode cannot be started: port {taken} on 127.0.0.1 is taken by ")
    assert line.endswith(f"stop the process that uses it, or change `port` in {file}; retrying in 2 s")
    assert kept[0].process is None and kept[0].starts == 0 and kept[0].failures == 1


def test_the_supernode_answers_while_it_trains_and_looks_often_for_tasks(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    class Recorder:
        def __init__(self, services: list[Any], *_: object) -> None:
            started.extend(services)

        def run(self) -> int:
            return 0

    monkeypatch.setattr(hospital, "Keeper", Recorder)
    assert hospital.keep_hospital(file, print) == 0
    (service,) = started
    assert service.args[:4] == [sys.executable, "-m", "crossward.deploy.supernode", "--superlink"]
    assert float(service.env["FLWR_SUPEREXEC_TASK_POLL_INTERVAL"]) == hospital.TASK_POLL < 1.0


def test_the_node_config_reaches_flower_as_it_is(file: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():  # what Flower's dependencies deprecate is no error of ours
        warnings.simplefilter("ignore")
        from flwr.common.config import parse_config_args
    more = 'threads = 2\nlocal-seconds = 1.5\ngradient-checkpointing = "true"\nflag = true\n'
    file.write_text(file.read_text() + more)
    _, node = read_hospital(file)
    path = hospital.write_node_config(node, tmp_path)
    assert parse_config_args([str(path)]) == node and node["site"] == 'St. "Mary"'


class Superlink:
    """Notes who was released; may refuse."""

    def __init__(self, error: Exception | None = None) -> None:
        self.released: list[int] = []
        self.error = error

    def __call__(self, superlink: str, authority: Path, key: Path, node: int) -> None:
        if self.error is not None:
            raise self.error
        self.released.append(node)


@pytest.fixture
def node_id_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[NodeIdFile, Superlink, list[str]]:
    superlink, lines = Superlink(), []
    monkeypatch.setattr(hospital, "release", superlink)
    monkeypatch.setattr(hospital, "SEEN_GONE", 0.0)
    return NodeIdFile(read_hospital(file)[0], file.parent / "state", lines.append), superlink, lines


def test_a_killed_supernode_is_signed_off_before_the_next_start(node_id_file: Any) -> None:
    kept, superlink, lines = node_id_file
    kept.before()
    assert superlink.released == []  # there was none
    kept.on_line("\x1b[92mINFO \x1b[0m:      SuperNode ID: 3101933409148298930")
    kept.ended(-9)
    kept.before()
    assert superlink.released == [3101933409148298930] and "did not exit cleanly" in lines[-1]
    kept.before()
    assert len(superlink.released) == 1


def test_one_that_ended_in_order_is_not(node_id_file: Any) -> None:
    kept, superlink, _ = node_id_file
    kept.on_line("SuperNode ID: 5")
    kept.ended(0)
    kept.before()
    assert superlink.released == []


def test_a_superlink_that_cannot_be_told_keeps_nothing_from_starting(node_id_file: Any) -> None:
    kept, superlink, lines = node_id_file
    kept.on_line("SuperNode ID: 5")
    superlink.error = ConnectionRefusedError("no")
    kept.before()
    assert "could not report node 5 to the SuperLink as disconnected (ConnectionRefusedError: no)" in lines[-1]
    superlink.error = None
    kept.before()  # at the next start it can
    assert superlink.released == [5]
    kept.path.write_text("rubbish")
    kept.before()


def test_refusals_are_said_in_words_with_the_keys_fingerprint(node_id_file: Any, file: Path) -> None:
    kept, _, lines = node_id_file
    kept.on_line("[code: 2004] Failed to activate SuperNode.")
    assert lines[-1].startswith("REFUSED: aggregator.example:8000 refused this SuperNode")
    assert fingerprint(public_text(file.parent / "node.pub")) in lines[-1] and "node.pub" in lines[-1]
    kept.on_line("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate")
    assert "does not verify against" in lines[-1]
