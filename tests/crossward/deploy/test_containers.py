"""What containers and rotation need of ``crossward deploy``: paths of volumes, health, a new node key."""

from __future__ import annotations

import http.server
import threading
import tomllib
from pathlib import Path

import pytest

from crossward.cli.app import main
from crossward.deploy.aggregator import read_aggregator
from crossward.deploy.errors import DeployError
from crossward.deploy.health import answers
from crossward.deploy.hospital import read_hospital
from crossward.encryption.identity import public_of, read_identity
from crossward.machine.ports import free_ports


def _aggregator(folder: Path, *more: str) -> Path:
    assert main(["deploy", "init-aggregator", str(folder), "--address", "hub.example.org:443", *more]) == 0
    return folder / "aggregator.toml"


def _hospital(tmp_path: Path, *more: str) -> Path:
    authority = _aggregator(tmp_path / "aggregator").with_name("ca.crt")
    folder = tmp_path / "hospital"
    args = ["--superlink", "hub.example.org:443", "--site", "A", "--data", "/data", "--authority", str(authority)]
    assert main(["deploy", "init-hospital", str(folder), *args, *more]) == 0
    return folder / "hospital.toml"


def test_the_aggregator_listens_behind_a_gateway_and_keeps_its_state_on_a_volume(tmp_path: Path) -> None:
    config = read_aggregator(_aggregator(tmp_path / "a", "--port", "9092", "--state", "/state", "--host", "0.0.0.0"))
    assert (config.address, config.port, config.own_address) == ("hub.example.org", 9092, "127.0.0.1:9092")
    assert (config.state, config.runs) == (Path("/state"), Path("/state/runs"))


def test_without_options_everything_is_in_the_aggregators_folder(tmp_path: Path) -> None:
    config = read_aggregator(_aggregator(tmp_path / "a"))
    assert (config.port, config.state, config.runs) == (443, tmp_path / "a" / "state", tmp_path / "a" / "runs")


def test_a_port_out_of_range_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "init-aggregator", str(tmp_path / "a"), "--address", "hub:443", "--port", "70000"]) == 2
    assert "70000 is not in the range 1<=x<=65535" in capsys.readouterr().err


def test_a_hospital_names_the_consortium_key_before_it_has_one(tmp_path: Path) -> None:
    _, node = read_hospital(_hospital(tmp_path))
    assert node["key-path"] == str(tmp_path / "hospital" / "consortium.key")
    assert node["state-dir"] == str(tmp_path / "hospital" / "state")


def test_a_hospital_in_a_container_names_paths_of_the_container(tmp_path: Path) -> None:
    _, node = read_hospital(
        _hospital(tmp_path, "--key", "/hospital/consortium.key", "--state", "/state", "--no-identity")
    )
    assert (node["key-path"], node["state-dir"], node["data-path"]) == ("/hospital/consortium.key", "/state", "/data")
    assert node["roster-path"] == "/hospital/roster.json"


def test_a_container_makes_its_identity_where_its_state_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "volume"
    path = _hospital(tmp_path, "--state", str(state), "--no-identity")
    assert f"where the node runs: crossward deploy identity {path}" in capsys.readouterr().out
    assert not state.exists()
    assert main(["deploy", "identity", str(path)]) == 0
    made = capsys.readouterr().out
    assert made == f"{public_of(read_identity(state / 'identity.pem'))} A\n"
    assert path.with_name("identity.pub").read_text() == made
    assert main(["deploy", "identity", str(path)]) == 0 and capsys.readouterr().out == made
    assert main(["deploy", "identity", str(path), "--new"]) == 0 and capsys.readouterr().out != made


def test_what_to_send_and_to_compare_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _hospital(tmp_path).parent
    lines = capsys.readouterr().out.splitlines()
    digits = (folder / "identity.pub").read_text()[:16]
    assert lines[-5:] == [
        f"{folder}/hospital.toml",
        f"to the aggregator: {folder}/node.pub",
        f"to the hospital that makes the roster: {folder}/identity.pub",
        f"read out to it by telephone: {digits[:4]} {digits[4:8]} {digits[8:12]} {digits[12:]}",
        f"then: crossward deploy check {folder}/hospital.toml",
    ]


def test_a_new_node_key_takes_the_place_of_the_old_one_which_stays(tmp_path: Path) -> None:
    path = _hospital(tmp_path)
    old = {name: path.with_name(name).read_bytes() for name in ("node.key", "node.pub")}
    assert main(["deploy", "node-key", str(path)]) == 0
    for name, content in old.items():
        assert path.with_name(name).read_bytes() != content
        (kept,) = path.parent.glob(f"{name}.*")
        assert kept.read_bytes() == content
        assert kept.stat().st_mode & 0o777 == (0o600 if name == "node.key" else 0o644)
    assert path.with_name("node.key").stat().st_mode & 0o077 == 0
    read_hospital(path)


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_health_of_a_hospital_is_that_its_supernode_answers(tmp_path: Path) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), _Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = _hospital(tmp_path, "--port", str(server.server_port))
        assert answers(path) == (True, f"the SuperNode on 127.0.0.1:{server.server_port}")
        assert main(["deploy", "health", str(path)]) == 0
        server.shutdown()
    assert main(["deploy", "health", str(path)]) == 1


def test_health_of_an_aggregator_that_does_not_run(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    path = _aggregator(tmp_path / "a", "--port", str(port), "--host", "127.0.0.1")
    assert answers(path) == (False, f"the SuperLink on 127.0.0.1:{port}")


def test_health_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "hospital.toml"
    path.write_text("superlink = 3\n")
    with pytest.raises(DeployError, match="superlink = 3 is not a text"):
        answers(path)
    assert "superlink" in tomllib.loads(path.read_text())
    with pytest.raises(DeployError, match="cannot be read"):
        answers(tmp_path / "none.toml")
