"""The aggregator's files, and what its SuperLink says of whoever fails the TLS handshake."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from crossward.deploy import aggregator, superlink
from crossward.deploy.addresses import parted
from crossward.deploy.aggregator import init_aggregator, read_aggregator, renew
from crossward.deploy.certificates import host_names, make_authority
from crossward.deploy.errors import DeployError
from crossward.deploy.files import only_one
from crossward.deploy.keeper import Service
from crossward.internals.uvicorn import UVICORN

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return init_aggregator(tmp_path / "ours", "aggregator.example", 8443, "0.0.0.0")


def test_what_is_made_reads_back_and_is_not_made_twice(file: Path) -> None:
    config = read_aggregator(file)
    assert (config.address, config.host, config.port) == ("aggregator.example", "0.0.0.0", 8443)
    assert config.own_address == "127.0.0.1:8443"
    assert host_names(config.certificate) == ["aggregator.example", "localhost", "127.0.0.1", "::1"]
    assert stat.S_IMODE(config.secret.stat().st_mode) == 0o600 and len(config.secret.read_bytes()) == 64
    with pytest.raises(DeployError, match="already exists"):
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
    assert renew(file, file.parent / "authority") == ["aggregator.example", "localhost", "127.0.0.1", "::1"]
    assert read_aggregator(file).certificate.read_bytes() != before
    assert [p.read_bytes() for p in file.parent.glob("server.crt.*")] == [before]


def test_a_renewal_that_fails_leaves_what_there_is(file: Path, tmp_path: Path) -> None:
    """The authority is kept elsewhere, as it should be, and was not named."""
    before = {path.name: path.read_bytes() for path in file.parent.glob("server.*")}
    (file.parent / "authority").rename(tmp_path / "offline")
    with pytest.raises(DeployError, match=r"ca\.key.* is missing"):
        renew(file, file.parent / "authority")
    assert {path.name: path.read_bytes() for path in file.parent.glob("server.*")} == before
    assert not list(file.parent.glob(".renewing*"))
    renew(file, tmp_path / "offline")


def test_a_renewal_writes_what_the_configuration_names(file: Path) -> None:
    for old, new in (("server.crt", "hub.crt"), ("server.key", "hub.key")):
        (file.parent / old).rename(file.parent / new)
        file.write_text(file.read_text().replace(old, new))
    before = read_aggregator(file).certificate.read_bytes()
    renew(file, file.parent / "authority")
    assert read_aggregator(file).certificate.name == "hub.crt" and (file.parent / "hub.crt").read_bytes() != before


@pytest.mark.parametrize(
    ("host", "own"),
    [("0.0.0.0", "127.0.0.1:8443"), ("::", "[::1]:8443"), ("10.0.0.5", "10.0.0.5:8443"), ("local", "local:8443")],
)
def test_its_own_processes_reach_it_where_it_listens(tmp_path: Path, host: str, own: str) -> None:
    config = read_aggregator(init_aggregator(tmp_path / "x", "hub.example.org", 8443, host))
    assert config.own_address == own and parted(own)[0] in host_names(config.certificate)


def test_a_name_that_no_certificate_can_have_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"'zürich\.ch' is no host name"):
        init_aggregator(tmp_path / "x", "zürich.ch", 8443, "0.0.0.0")
    assert not (tmp_path / "x").exists()


def test_two_keepers_of_one_state_are_one_too_many(tmp_path: Path) -> None:
    with (
        only_one(tmp_path / "state", "aggregator"),
        pytest.raises(DeployError, match="this aggregator is already running"),
    ):
        only_one(tmp_path / "state", "aggregator")
    only_one(tmp_path / "state", "aggregator").close()
    (tmp_path / "file").write_text("")
    with pytest.raises(DeployError, match="cannot be used as a state folder"):
        only_one(tmp_path / "file" / "state", "aggregator")


@pytest.mark.parametrize("text", ["hub", "hub:", "hub:0", "hub:65536", ":443", "2001:db8::1:443", "hub:x", "hub:²"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(DeployError, match="is not HOST:PORT"):
        parted(text)


def test_failed_handshakes_are_told_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    output: dict[tuple[str, str], float] = {}
    error = OSError(1, "[SSL: TLSV1_ALERT_UNKNOWN_CA]")
    error.reason = "TLSV1_ALERT_UNKNOWN_CA"  # type: ignore[attr-defined]
    for peer in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
        superlink._report(peer, error, output)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["10.0.0.1", "10.0.0.2"]
    assert all(line.startswith("REFUSED at TLS") and "current ca.crt" in line for line in lines)


def test_a_real_failed_handshake_is_told(file: Path, tmp_path: Path) -> None:
    """On the event loop that the SuperLink runs on, by a client that trusts another authority."""
    make_authority(tmp_path / "other")
    code = f"""
import asyncio, socket, ssl
from crossward.internals.python import on_failed_handshake
from crossward.deploy import superlink
said = {{}}
on_failed_handshake(lambda peer, error: superlink._report(peer, error, said))
inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
inside.load_cert_chain({str(file.parent / "server.crt")!r}, {str(file.parent / "server.key")!r})
outside = ssl.create_default_context(cafile={str(tmp_path / "other" / "ca.crt")!r})

async def main():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=inside)
    await asyncio.to_thread(call, server.sockets[0].getsockname()[1])
    async with asyncio.timeout(60):
        while not said:
            await asyncio.sleep(0.01)

def call(port):
    socket.create_connection(("127.0.0.1", port)).close()  # a probe is no refusal
    with socket.create_connection(("127.0.0.1", port)) as raw:
        try:
            outside.wrap_socket(raw, server_hostname="localhost")
        except ssl.SSLError:
            pass

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    (line,) = done.stdout.splitlines()
    assert line.startswith("REFUSED at TLS: 127.0.0.1: ") and "current ca.crt" in line, done.stderr


def test_a_superlink_of_other_internals_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def differs() -> None:
        raise UVICORN.differs("its event loop is another")

    monkeypatch.setattr(superlink, "without_uvloop", differs)
    with pytest.raises(SystemExit, match=r"the SuperLink cannot be started: uvicorn \S+: its event loop is another\. "):
        superlink.main()


def test_the_superlinks_database_is_patient(tmp_path: Path) -> None:
    """In a process of its own, as the SuperLink is: Flower's own code then opens its database so."""
    code = """
import warnings
warnings.simplefilter("ignore")
from crossward.internals.flower import set_busy_timeout
from crossward.deploy.superlink import BUSY_MS
set_busy_timeout(BUSY_MS)
from flwr.superlink.cli import flower_superlink
from flwr.server.superlink.linkstate.linkstate_factory import LinkStateFactory
from flwr.supercore import sql_mixin
print(dict(sql_mixin.SQLITE_PRAGMAS)["busy_timeout"], dict(sql_mixin.SQLITE_PRAGMAS)["journal_mode"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["25000", "WAL"], done.stderr


def test_its_serverapps_keep_dither_keys_in_its_state_and_in_no_run_folder(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Service] = []

    class Recorder:
        def __init__(self, services: list[Service], *_: object) -> None:
            started.extend(services)

        def run(self) -> int:
            return 0

    monkeypatch.setenv("CROSSWARD_HOME", "/somewhere/else")
    monkeypatch.setattr(aggregator, "Keeper", Recorder)
    assert aggregator.keep_aggregator(file, print) == 0
    config = aggregator.read_aggregator(file)
    assert {service.env["CROSSWARD_HOME"] for service in started} == {str(config.state)}
    assert config.state / "dither" not in (config.runs, *config.runs.parents)
