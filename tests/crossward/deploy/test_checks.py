"""``check``: each thing that would keep a hospital out is found, named, and keeps no other from being looked at."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossward.deploy.aggregator import init_aggregator
from crossward.deploy.certificates import make_authority, make_server_certificate
from crossward.deploy.checks import OK, WARNING, WRONG, aggregator_findings, hospital_findings
from crossward.deploy.files import only_one
from crossward.deploy.hospital import init_hospital
from crossward.encryption.committee.roster_file import RosterBook, make_book
from crossward.encryption.identity import load_identity
from crossward.encryption.key_file import create_key
from crossward.machine.ports import free_ports

OTHERS = {name: Ed25519PrivateKey.generate() for name in ("B", "C", "D")}


@pytest.fixture(scope="module")
def aggregator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A TLS server of its own authority, which says nothing: (authority's folder, port)."""
    folder = tmp_path_factory.mktemp("aggregator")
    make_authority(folder)
    make_server_certificate(folder, folder, ["localhost"])
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(folder / "server.crt", folder / "server.key")
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(ssl.SSLError, OSError):
                    inside.wrap_socket(connection, server_side=True).close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield folder, listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.fixture
def file(aggregator: tuple[Path, int], tmp_path: Path) -> Path:
    folder, port = aggregator
    create_key(tmp_path / "consortium.key")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "NOTEEVENTS.csv").write_text("x")
    made = init_hospital(
        tmp_path / "ours",
        f"localhost:{port}",
        "Ours",
        tmp_path / "notes",
        folder / "ca.crt",
        tmp_path / "consortium.key",
        free_ports(1)[0],
    )
    ours = load_identity(tmp_path / "ours" / "state" / "identity.pem")
    book = make_book({"Ours": ours, **OTHERS}, committee=OTHERS)
    (tmp_path / "roster.json").write_bytes(book.to_bytes())
    return made


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxy and folder this user has, the tests choose theirs."""
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Proxy(threading.Thread):
    """Passes one connection after another on as CONNECT asks, or refuses; ``asked`` are their first lines."""

    def __init__(self, refuses: bool = False) -> None:
        super().__init__(daemon=True)
        self.listening, self.refuses = socket.create_server(("127.0.0.1", 0)), refuses
        self.asked: list[str] = []
        self.start()

    @property
    def url(self) -> str:
        return f"http://ada:secret@127.0.0.1:{self.listening.getsockname()[1]}"

    def run(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self.listening.accept()
                with connection, contextlib.suppress(OSError):
                    self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (part := connection.recv(4096)):
            head += part
        self.asked.append(head.split(b"\r\n")[0].decode())
        if self.refuses:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            return
        _, target, _ = self.asked[-1].split()
        with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as behind:  # whatever the name
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            ways = [threading.Thread(target=_copy, args=pair) for pair in ((connection, behind), (behind, connection))]
            for way in ways:
                way.start()
            for way in ways:
                way.join()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    yield made
    made.close()


def found(file: Path) -> dict[str, tuple[str, str]]:
    return {what: (verdict, line) for what, verdict, line in hospital_findings(file)}


def test_all_is_well(file: Path) -> None:
    all_of_it = found(file)
    assert list(all_of_it) == [
        "files",
        "authority",
        "node config",
        "consortium key",
        "roster",
        "notes",
        "state",
        "cache",
        "port",
        "proxies",
        "aggregator",
    ]
    assert {verdict for verdict, _ in all_of_it.values()} <= {OK, WARNING}, all_of_it  # a small disk is a warning
    assert all_of_it["aggregator"][0] == OK and "TLSv1.3" in all_of_it["aggregator"][1]


def test_each_trouble_is_named_and_the_rest_still_looked_at(file: Path, tmp_path: Path) -> None:
    (tmp_path / "consortium.key").chmod(0o644)
    (tmp_path / "notes").rename(tmp_path / "elsewhere")
    file.write_text(file.read_text() + "thraeds = 2\n")
    all_of_it = found(file)
    wrong = {what: line for what, (verdict, line) in all_of_it.items() if verdict == WRONG}
    assert set(wrong) == {"node config", "consortium key", "notes"} and len(all_of_it) == 11
    assert (
        "no key thraeds; did you mean node.threads?" in wrong["node config"]
        and "notes does not exist" in wrong["notes"]
    )


def test_the_notes_that_a_notes_toml_names_are_looked_at(file: Path, tmp_path: Path) -> None:
    described = tmp_path / "notes.toml"
    file.write_text(file.read_text().replace("data-path =", f'notes-path = "{described}"\n#'))
    assert found(file)["notes"] == found(file)["node config"]
    assert found(file)["notes"][0] == WRONG and "notes.toml: no such file" in found(file)["notes"][1]
    described.write_text('source = "mimic-iii"\npath = "notes"\n')
    assert found(file)["notes"] == (OK, f"notes in {tmp_path / 'notes'}") and found(file)["node config"][0] == OK
    described.write_text('source = "mimic-iii"\npath = "gone"\n')
    assert found(file)["notes"] == (WRONG, f"{described}: path: {tmp_path / 'gone'} does not exist")
    described.write_text('source = "sql"\npath = "sqlite:///a.db"\nquery = "q"\n[columns]\ntext = "t"\n')
    assert found(file)["notes"] == (OK, f"notes in a database, as {described} says")


def test_the_roster_is_there_complete_and_has_this_hospital_in_it(file: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster.json"
    book = RosterBook.load(roster)
    verdict, line = found(file)["roster"]
    assert verdict == OK and line.startswith(f"roster {book.roster.fingerprint[:16]}, revision 1, of 4 hospitals; this")
    assert line.endswith("is Ours, not on the committee: compare the fingerprint with the other hospitals")
    unsigned = RosterBook(book.roster, {name: data for name, data in book.signatures.items() if name != "C"})
    for content, says in (
        (unsigned.to_bytes(), "is not signed by C: every hospital in it must sign these very bytes"),
        (make_book(OTHERS).to_bytes(), f"has the identity key {book.roster.identity('Ours')}: `crossward members add`"),
        (b"{", f"{roster}: not JSON"),
    ):
        roster.write_bytes(content)
        verdict, line = found(file)["roster"]
        assert verdict == WRONG and says in line
    roster.unlink()
    assert found(file)["roster"][1].startswith(f"there is no roster at {roster}")
    roster.write_bytes(book.to_bytes())
    (file.parent / "state" / "identity.pem").unlink()
    verdict, line = found(file)["roster"]
    assert verdict == WRONG and "`crossward deploy identity` makes it" in line
    assert not (file.parent / "state" / "identity.pem").exists()  # looking makes nothing
    file.write_text(file.read_text().replace("roster-path", "#"))
    assert found(file)["roster"] == (
        WARNING,
        "no roster-path: runs with encryption.scheme = 'committee' are not possible",
    )


def test_a_hospital_that_demands_privacy_needs_its_record_of_spending(file: Path) -> None:
    record = file.parent / "state" / "identity.spent"
    demands = 'privacy-unit = "patient"\nprivacy-epsilon = 8.0\npatient-column = "subject_id"\n'
    file.write_text(file.read_text() + demands)
    verdict, line = found(file)["state"]
    assert verdict == WRONG and str(record) in line and "Restore it from the backup" in line
    record.mkdir(mode=0o700)
    assert found(file)["state"][0] in (OK, WARNING)


def test_a_strangers_aggregator_and_none_at_all(file: Path, tmp_path: Path) -> None:
    make_authority(tmp_path / "other")
    (file.parent / "ca.crt").write_bytes((tmp_path / "other" / "ca.crt").read_bytes())
    verdict, line = found(file)["aggregator"]
    assert verdict == WRONG and "does not verify against" in line and "current ca.crt" in line
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = file.read_text()
    file.write_text(text.replace(text.split('"')[1], f"127.0.0.1:{port}", 1))
    verdict, line = found(file)["aggregator"]
    assert verdict == WRONG and "cannot be reached" in line


def test_what_cannot_even_be_read_is_one_finding(file: Path) -> None:
    (file.parent / "node.key").chmod(0o644)
    assert [(what, verdict) for what, verdict, _ in hospital_findings(file)] == [("files", WRONG)]
    file.write_text("rubbish")
    ((what, verdict, line),) = hospital_findings(file)
    assert (what, verdict) == ("files", WRONG) and "is not TOML" in line


def test_a_cache_that_no_process_would_find_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", "here")
    verdict, line = found(file)["cache"]
    assert verdict == WRONG and "CROSSWARD_HOME = 'here' is a relative path" in line
    monkeypatch.setenv("CROSSWARD_HOME", str(file))
    assert found(file)["cache"] == (WRONG, f"CROSSWARD_HOME {file} cannot be written: File exists")


# ---------------------------------------------------------------------- proxies


def test_the_aggregator_is_reached_through_the_proxy_that_the_supernode_takes(
    file: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = file.read_text()
    port = text.split('"')[1].rpartition(":")[2]
    file.write_text(text.replace("localhost:", "hub.localhost:", 1))  # an outside name, as far as no_proxy goes
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1,::1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    all_of_it = found(file)
    verdict, line = all_of_it["aggregator"]
    shown = proxy.url.replace("ada:secret", "***")
    assert proxy.asked == [f"CONNECT hub.localhost:{port} HTTP/1.1"]
    assert verdict == WRONG and "does not verify against" in line and "through the proxy 127.0.0.1:" in line
    verdict, line = all_of_it["proxies"]
    assert verdict == OK and line.startswith(f"HTTPS_PROXY={shown}; not used for 127.0.0.1,::1,localhost")
    file.write_text(text)
    verdict, line = found(file)["aggregator"]
    assert verdict == OK and "through the proxy 127.0.0.1:" in line and "TLSv1.3" in line and len(proxy.asked) == 2
    monkeypatch.setenv("no_proxy", "localhost")
    verdict, line = found(file)["aggregator"]
    assert verdict == OK and "proxy" not in line and len(proxy.asked) == 2


def test_a_proxy_that_is_not_there_or_refuses_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    verdict, line = found(file)["aggregator"]
    assert verdict == WRONG and "cannot be reached through the proxy 127.0.0.1:9 " in line and "no_proxy" in line
    refusing = Proxy(refuses=True)
    monkeypatch.setenv("https_proxy", refusing.url)
    verdict, line = found(file)["aggregator"]
    refusing.close()
    assert verdict == WRONG and "403 Forbidden" in line and "allow CONNECT" in line
    monkeypatch.setenv("https_proxy", "socks4://127.0.0.1:9")
    all_of_it = found(file)
    assert all_of_it["proxies"][0] == WRONG and "cannot use these proxies" in all_of_it["proxies"][1]
    assert all_of_it["aggregator"][0] == WRONG


# ---------------------------------------------------------------------- ports


def test_a_port_that_is_taken_is_found_unless_by_this_hospitals_own_supernode(file: Path) -> None:
    port = int(file.read_text().split("port = ")[1].split()[0])
    assert found(file)["port"] == (OK, f"port {port} on 127.0.0.1 is free for the SuperNode")
    with socket.create_server(("127.0.0.1", port)):
        verdict, line = found(file)["port"]
        assert verdict == WRONG and line.startswith(f"port {port} on 127.0.0.1 is taken by ")
        assert line.endswith(f"the SuperNode needs it: stop the process that uses it, or change `port` in {file}")
        with only_one(file.parent / "state", "hospital"):
            assert found(file)["port"] == (OK, f"port {port} on 127.0.0.1: the SuperNode runs already")


def test_what_keeps_an_aggregator_from_starting_is_found(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = init_aggregator(tmp_path / "hub", "hub.example", port, "127.0.0.1")

    def looked() -> dict[str, tuple[str, str]]:
        return {what: (verdict, line) for what, verdict, line in aggregator_findings(file)}

    all_of_it = looked()
    named = ["files", "authority", "certificate", "members", "state", "runs", "port", "proxies"]
    assert list(all_of_it) == named
    assert all_of_it.pop("members") == (WARNING, f"no public key (*.pub) in {tmp_path / 'hub' / 'nodes'}")
    assert {verdict for verdict, _ in all_of_it.values()} <= {OK, WARNING}
    (tmp_path / "hub" / "nodes" / "a.pub").write_text("rubbish")
    with socket.create_server(("127.0.0.1", port)):
        all_of_it = looked()
    assert {what for what, (verdict, _) in all_of_it.items() if verdict == WRONG} == {"members", "port"}
    assert "the SuperLink needs it: stop the process that uses it, or change `port` in" in all_of_it["port"][1]
    (tmp_path / "hub" / "server.key").chmod(0o644)
    assert [verdict for _, verdict, _ in aggregator_findings(file)] == [WRONG]


def test_looking_leaves_nothing_and_touches_nothing(file: Path) -> None:
    state = file.parent / "state"
    (state / ".probe").write_text("mine")
    assert found(file)["state"][0] in (OK, WARNING)
    assert (
        sorted(path.name for path in state.iterdir()) == [".probe", "identity.pem"]
        and (state / ".probe").read_text() == "mine"
    )
