"""A small certificate authority for one consortium, made with ``cryptography``: its own CA, and server certificates.

Hospitals trust the CA's certificate alone (``--root-certificates``), so no public authority can vouch for a false
aggregator, and the aggregator's certificate can be renewed without touching any hospital. A consortium that has a
public name and certificate can use those instead.

Not for: telling hospitals apart; that is what node keys are for (``crossward.deploy.node_keys``).
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crossward.deploy.errors import DeployError
from crossward.deploy.files import check_private, write_new

CA_DAYS, SERVER_DAYS, WARN_DAYS = 3650, 397, 30
_BEFORE = timedelta(minutes=10)  # clocks differ
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")  # of a host name: RFC 1123, section 2.1
_LONGEST = 253  # characters of a host name: RFC 1035's 255 octets on the wire


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def make_authority(folder: Path) -> None:
    """``ca.key`` (0600; who has it can pose as the aggregator) and ``ca.crt`` in ``folder``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Crossward consortium CA")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _begin(name, name, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    write_new(folder / "ca.key", _pem(key), secret=True)
    write_new(folder / "ca.crt", certificate.public_bytes(serialization.Encoding.PEM))


def check_names(names: Sequence[str]) -> list[str]:
    """``names`` once each, if a certificate can be for them.

    Raises
    ------
    DeployError
        names the one that is neither a host name (RFC 1123, in ASCII) nor an address.
    """
    for name in names:
        if not _is_address(name) and (wrong := _wrong_with(name)):
            raise DeployError(
                f"{name!r} is no host name or address for a certificate: {wrong}. Expected a host name (letters, "
                "digits and inner hyphens between dots; other alphabets in their xn-- form), or an IPv4 or IPv6 address"
            )
    return list(dict.fromkeys(names))


def _is_address(name: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return False


def _alternative(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if _is_address(name) else x509.DNSName(name)


def _wrong_with(name: str) -> str:
    """Why ``name`` is no host name; nothing where it is one."""
    if len(name) > _LONGEST:
        return f"it has {len(name)} characters, more than {_LONGEST}"
    labels = name.split(".")
    for label in labels:
        if not label:
            return "a part of it is empty"
        if not _LABEL.fullmatch(label):
            return f"{label!r} is not 1 to 63 letters, digits and hyphens with no hyphen at either end"
    if labels[-1].isdigit():  # who resolves it would take it for an address (RFC 1123, section 2.1)
        return "it ends in a number like an address, but is not a valid one"
    return ""


def make_server_certificate(authority: Path, folder: Path, names: Sequence[str]) -> None:
    """``server.key`` (0600) and ``server.crt`` in ``folder``, for host ``names`` or addresses, signed in ``authority``.

    Raises
    ------
    DeployError
        there is no usable authority, or a name is none that certificates have. What an operator enters is held to
        more (:func:`check_names`); a certificate that is renewed keeps the names that it has.
    """
    check_private(authority / "ca.key", "the certificate authority's private key")
    try:
        issuer_key = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
        issuer = x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
    except (OSError, ValueError) as error:
        raise DeployError(f"no server certificate for {', '.join(names)} from {authority}: {error}") from error
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey) or not names:
        raise DeployError(f"{authority}/ca.key is no elliptic-curve key, or no host name was given")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _begin(_name(names[0]), issuer.subject, key.public_key(), SERVER_DAYS)
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    write_new(folder / "server.key", _pem(key), secret=True)
    write_new(folder / "server.crt", certificate.public_bytes(serialization.Encoding.PEM))


def days_left(path: Path) -> float:
    """Days for which the certificate in ``path`` is still valid; negative when it has expired."""
    try:
        end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise DeployError(f"{path} holds no certificate (PEM): {error}") from error
    return (end - datetime.now(UTC)) / timedelta(days=1)


def host_names(path: Path) -> list[str]:
    """Names and addresses that the certificate in ``path`` is for."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise DeployError(f"{path} holds no certificate for named hosts: {error}") from error
    return [str(name.value) for name in found]
