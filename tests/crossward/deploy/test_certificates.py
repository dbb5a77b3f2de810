"""The consortium's own CA: a real TLS handshake succeeds with it and with nothing else; keys are private files."""

from __future__ import annotations

import contextlib
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from crossward.deploy.certificates import check_names, days_left, host_names, make_authority, make_server_certificate
from crossward.deploy.errors import DeployError


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make_authority(tmp_path / "ca")
    make_server_certificate(tmp_path / "ca", tmp_path / "server", ["aggregator.example", "localhost", "127.0.0.1"])
    return tmp_path


def handshake(made: Path, authority: Path, name: str) -> str:
    """The protocol that a client which trusts ``authority`` agrees on with the server, calling it ``name``."""
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(made / "server" / "server.crt", made / "server" / "server.key")
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(ssl.SSLError, OSError):
            inside.wrap_socket(connection, server_side=True).close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with (
            socket.create_connection(listening.getsockname(), timeout=300) as raw,
            ssl.create_default_context(cafile=str(authority)).wrap_socket(raw, server_hostname=name) as tls,
        ):
            return str(tls.version())
    finally:
        thread.join()
        listening.close()


@pytest.mark.parametrize("name", ["aggregator.example", "localhost", "127.0.0.1"])
def test_a_client_that_trusts_the_authority_agrees_under_every_name(made: Path, name: str) -> None:
    assert handshake(made, made / "ca" / "ca.crt", name) == "TLSv1.3"


def test_another_name_and_another_authority_are_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"Hostname mismatch"):
        handshake(made, made / "ca" / "ca.crt", "elsewhere.example")
    make_authority(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get local issuer|signature"):
        handshake(made, tmp_path / "other" / "ca.crt", "localhost")


def test_the_chain_is_what_a_strict_verifier_takes(made: Path) -> None:
    """RFC 5280 and the web's baseline rules, as the cryptography library checks them."""
    authority = x509.load_pem_x509_certificate((made / "ca" / "ca.crt").read_bytes())
    server = x509.load_pem_x509_certificate((made / "server" / "server.crt").read_bytes())
    verifier = PolicyBuilder().store(Store([authority])).build_server_verifier(x509.DNSName("aggregator.example"))
    assert [c.subject for c in verifier.verify(server, [])] == [server.subject, authority.subject]


def test_private_keys_are_private_and_nothing_is_overwritten(made: Path) -> None:
    for path in (made / "ca" / "ca.key", made / "server" / "server.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = (made / "ca" / "ca.key").read_bytes()
    with pytest.raises(DeployError, match=r"ca\.key already exists and is not overwritten"):
        make_authority(made / "ca")
    assert (made / "ca" / "ca.key").read_bytes() == before
    assert not list(made.rglob(".*"))


def test_an_authority_that_others_can_read_signs_nothing(made: Path) -> None:
    (made / "ca" / "ca.key").chmod(0o644)
    with pytest.raises(DeployError, match=r"ca\.key.* can be read by others: chmod 600"):
        make_server_certificate(made / "ca", made / "again", ["localhost"])


def test_lifetimes_and_names_are_read_back(made: Path, tmp_path: Path) -> None:
    assert 3649 < days_left(made / "ca" / "ca.crt") <= 3650
    assert 396 < days_left(made / "server" / "server.crt") <= 397
    assert host_names(made / "server" / "server.crt") == ["aggregator.example", "localhost", "127.0.0.1"]
    (tmp_path / "none.crt").write_text("rubbish")
    with pytest.raises(DeployError, match=r"none\.crt holds no certificate"):
        days_left(tmp_path / "none.crt")
    with pytest.raises(DeployError, match=r"ca\.crt holds no certificate for named hosts"):
        host_names(made / "ca" / "ca.crt")


def test_host_names_and_addresses_are_taken_once_each() -> None:
    names = ["hub.example.org", "a", "3com.com", "x-1.xn--zrich-kva.ch", "a" * 63 + ".b", "10.0.0.5", "2001:db8::1"]
    assert check_names([*names, *names]) == names
    assert check_names([".".join(["a" * 49] * 5) + ".bcd"]) != []  # 253 characters


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("bad name!", "'bad name!' is not 1 to 63 letters"),
        ("under_score.org", "'under_score' is not"),
        ("*.example.org", r"'\*' is not"),
        ("-x-", "'-x-' is not 1 to 63 letters, digits and hyphens with no hyphen at either end"),
        ("x-.org", "'x-' is not"),
        ("a" * 64, "'a+' is not 1 to 63"),
        ("a.b\n", r"'b\\n' is not"),
        ("a..b", "a part of it is empty"),
        ("hub.example.org.", "a part of it is empty"),
        ("", "a part of it is empty"),
        (".".join(["a" * 49] * 5) + ".bcde", "it has 254 characters, more than 253"),
        ("300.1.1.1", "it ends in a number like an address, but is not a valid one"),
        ("10.0.0", "it ends in a number"),
    ],
)
def test_what_is_neither_name_nor_address_gets_no_certificate(name: str, wrong: str) -> None:
    with pytest.raises(DeployError, match=rf"{wrong}.*\. Expected a host name .*, or an IPv4 or IPv6 address"):
        check_names(["localhost", name])


def test_a_certificate_that_is_renewed_keeps_names_that_would_not_be_taken_any_more(made: Path) -> None:
    names = ["super_link", "*.example.org", "10.0.0.1"]
    make_server_certificate(made / "ca", made / "old", names)
    make_server_certificate(made / "ca", made / "again", host_names(made / "old" / "server.crt"))
    assert host_names(made / "again" / "server.crt") == names
