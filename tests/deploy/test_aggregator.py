"""The aggregator's files, its members by folder, and what it says of those it turns away."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from deploy import aggregator, superlink
from deploy.aggregator import Members, init_aggregator, read_aggregator, renew
from deploy.certificates import host_names
from deploy.errors import DeployError
from deploy.node_keys import fingerprint, load_node_key, make_node_key, public_text
from launcher.errors import LauncherError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return init_aggregator(tmp_path / "ours", "aggregator.example", 8443, "0.0.0.0")


class Flower:
    """Answers as ``flwr supernode`` does; ``refuse`` makes it fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.refuse = ""

    def call(self, *args: str) -> dict[str, Any]:
        self.calls.append(args)
        if self.refuse:
            raise LauncherError(self.refuse)
        return {"node-id": 100 + len(self.calls)}


@pytest.fixture
def members(file: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Members, Flower, list[str]]:
    config, flower, said = read_aggregator(file), Flower(), []
    config.state.mkdir()
    monkeypatch.setattr(aggregator, "healthy", lambda config: True)
    monkeypatch.setattr(aggregator, "EVERY", 0.0)
    return Members(config, flower, said.append), flower, said  # type: ignore[arg-type]


def join(found: Members, name: str, tmp_path: Path) -> Path:
    make_node_key(tmp_path / name)
    path = found.config.nodes / f"{name}.pub"
    path.write_bytes((tmp_path / name / "node.pub").read_bytes())
    return path


def test_what_is_made_reads_back_and_is_not_made_twice(file: Path) -> None:
    config = read_aggregator(file)
    assert (config.address, config.host, config.port) == ("aggregator.example", "0.0.0.0", 8443)
    assert config.own_address == "127.0.0.1:8443"
    assert host_names(config.certificate) == ["aggregator.example", "localhost", "127.0.0.1"]
    assert stat.S_IMODE(config.secret.stat().st_mode) == 0o600 and len(config.secret.read_bytes()) == 64
    with pytest.raises(DeployError, match="exists already"):
        init_aggregator(file.parent, "x", 1, "y")


def test_secrets_that_others_can_read_start_nothing(file: Path) -> None:
    config = read_aggregator(file)
    for path, what in ((config.secret, "the SuperExec's secret"), (config.private_key, "the server's private key")):
        path.chmod(0o644)
        with pytest.raises(DeployError, match=f"{what}, can be read by others"):
            read_aggregator(file)
        path.chmod(0o600)


def test_a_certificate_is_renewed_for_the_same_names_and_the_old_one_kept(file: Path) -> None:
    config = read_aggregator(file)
    before = config.certificate.read_bytes()
    assert renew(file, file.parent / "authority") == ["aggregator.example", "localhost", "127.0.0.1"]
    assert read_aggregator(file).certificate.read_bytes() != before
    assert [p.read_bytes() for p in file.parent.glob("server.crt.*")] == [before]


def test_members_are_those_of_the_folder(members: Any, tmp_path: Path) -> None:
    found, flower, said = members
    found.look()
    assert flower.calls == []
    one, two = join(found, "north", tmp_path), join(found, "south", tmp_path)
    found.look()
    assert sorted(call[:3] for call in flower.calls) == [("supernode", "register", str(p)) for p in (one, two)]
    assert {row["name"] for row in found.known().values()} == {"north", "south"}
    found.look()
    assert len(flower.calls) == 2  # nothing changed
    node = found.known()[public_text(one)]["node"]
    one.unlink()
    found.look()
    assert flower.calls[-1][:3] == ("supernode", "unregister", node)
    assert {row["name"] for row in found.known().values()} == {"south"} and "north is no member any more" in said[-1]
    again = Members(found.config, flower, said.append)  # the aggregator was started anew
    again.look()
    assert len(flower.calls) == 3


def test_a_bad_file_keeps_nobody_else_out(members: Any, tmp_path: Path) -> None:
    found, flower, said = members
    (found.config.nodes / "bad.pub").write_text("rubbish")
    join(found, "north", tmp_path)
    found.look()
    assert len(flower.calls) == 1 and any("bad.pub holds no OpenSSH public key" in line for line in said)


def test_what_could_not_be_registered_is_tried_again(members: Any, tmp_path: Path) -> None:
    found, flower, said = members
    join(found, "north", tmp_path)
    flower.refuse = "`flwr supernode` was refused: busy"
    found.look()
    assert found.known() == {} and any("north could not be registered" in line for line in said)
    flower.refuse = ""
    found.look()
    assert len(found.known()) == 1


def test_who_is_turned_away_is_named(members: Any, tmp_path: Path) -> None:
    found, _, said = members
    path = join(found, "north", tmp_path)
    pem = load_node_key(tmp_path / "north" / "node.key").public_key()
    text = pem.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    line = f"[/v1/fleet/activate-node][ApiError:2004] Attempted to register SuperNode with public key: {text!r}, exc"
    found.heard(line)
    assert fingerprint(public_text(path)) in said[-1] and "no member. Its hospital must send node.pub" in said[-1]
    (found.config.state / "members.json").write_text(json.dumps({public_text(path): {"name": "north", "node": "1"}}))
    found.heard(line)
    assert "north, which counts as connected already" in said[-1]
    count = len(said)
    found.heard("[ApiError:2004] -----BEGIN PUBLIC KEY-----rubbish-----END PUBLIC KEY-----")
    found.heard("anything else")
    assert len(said) == count


def test_failed_handshakes_are_told_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    said: dict[tuple[str, str], float] = {}
    error = OSError(1, "[SSL: TLSV1_ALERT_UNKNOWN_CA]")
    error.reason = "TLSV1_ALERT_UNKNOWN_CA"  # type: ignore[attr-defined]
    for peer in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
        superlink._tell(peer, error, said)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["10.0.0.1", "10.0.0.2"]
    assert all(line.startswith("REFUSED at TLS") and "present ca.crt" in line for line in lines)
