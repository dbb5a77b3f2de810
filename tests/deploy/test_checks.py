"""``check``: each thing that would keep a hospital out is found, named, and keeps no other from being looked at."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.certificates import make_authority, make_server_certificate
from deploy.checks import OK, WARNING, WRONG, findings
from deploy.hospital import init_hospital
from encryption.key_file import create_key


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
    return init_hospital(
        tmp_path / "ours",
        f"localhost:{port}",
        "Ours",
        tmp_path / "notes",
        folder / "ca.crt",
        tmp_path / "consortium.key",
    )


def found(file: Path) -> dict[str, tuple[str, str]]:
    return {what: (verdict, told) for what, verdict, told in findings(file)}


def test_all_is_well(file: Path) -> None:
    all_of_it = found(file)
    assert list(all_of_it) == ["files", "authority", "node config", "consortium key", "notes", "state", "aggregator"]
    assert {verdict for verdict, _ in all_of_it.values()} <= {OK, WARNING}, all_of_it  # a small disk is a warning
    assert all_of_it["aggregator"][0] == OK and "TLSv1.3" in all_of_it["aggregator"][1]


def test_each_trouble_is_named_and_the_rest_still_looked_at(file: Path, tmp_path: Path) -> None:
    (tmp_path / "consortium.key").chmod(0o644)
    (tmp_path / "notes").rename(tmp_path / "elsewhere")
    file.write_text(file.read_text() + "thraeds = 2\n")
    all_of_it = found(file)
    wrong = {what: told for what, (verdict, told) in all_of_it.items() if verdict == WRONG}
    assert set(wrong) == {"node config", "consortium key", "notes"} and len(all_of_it) == 7
    assert "no key thraeds; did you mean threads?" in wrong["node config"] and "notes is not there" in wrong["notes"]


def test_a_hospital_that_demands_privacy_needs_its_record_of_spending(file: Path) -> None:
    record = file.parent / "state" / "identity.spent"
    demands = 'privacy-unit = "patient"\nprivacy-epsilon = 8.0\npatient-column = "subject_id"\n'
    file.write_text(file.read_text() + demands)
    verdict, told = found(file)["state"]
    assert verdict == WRONG and str(record) in told and "Restore it from the backup" in told
    record.mkdir(mode=0o700)
    assert found(file)["state"][0] in (OK, WARNING)


def test_a_strangers_aggregator_and_none_at_all(file: Path, tmp_path: Path) -> None:
    make_authority(tmp_path / "other")
    (file.parent / "ca.crt").write_bytes((tmp_path / "other" / "ca.crt").read_bytes())
    verdict, told = found(file)["aggregator"]
    assert verdict == WRONG and "does not vouch for" in told and "present ca.crt" in told
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = file.read_text()
    file.write_text(text.replace(text.split('"')[1], f"127.0.0.1:{port}", 1))
    verdict, told = found(file)["aggregator"]
    assert verdict == WRONG and "cannot be reached" in told


def test_what_cannot_even_be_read_is_one_finding(file: Path) -> None:
    (file.parent / "node.key").chmod(0o644)
    assert [(what, verdict) for what, verdict, _ in findings(file)] == [("files", WRONG)]
    file.write_text("rubbish")
    ((what, verdict, told),) = findings(file)
    assert (what, verdict) == ("files", WRONG) and "is not TOML" in told
