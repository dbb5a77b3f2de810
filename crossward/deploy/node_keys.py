"""A SuperNode's key: how the SuperLink knows which hospital calls. ECDSA on P-384, in OpenSSH's form as Flower wants.

Another key than the hospital's Ed25519 identity in its state folder (``crossward.encryption.identity``), which signs
updates: this one opens the door of the transport, that one is whose an update is.

Not for: TLS (``crossward.deploy.certificates``) or encryption of updates (``crossward.cli.keys``).
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crossward.deploy.errors import DeployError
from crossward.deploy.files import check_private, replace, write_new
from crossward.machine.text import read_text

PRIVATE, PUBLIC = "node.key", "node.pub"


def make_node_key(folder: Path) -> None:
    """``node.key`` (0600, stays at the hospital) and ``node.pub`` (for the aggregator) in ``folder``."""
    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    write_new(folder / PRIVATE, private, secret=True)
    write_new(folder / PUBLIC, f"{text_of(key.public_key())}\n".encode())


def replace_node_key(path: Path) -> Path:
    """A new key in ``path``, its public half beside it; the old ones stay, with the time in their names.

    Where the public half is.
    """
    public = path.with_suffix(".pub")
    with tempfile.TemporaryDirectory(prefix=".new-key-", dir=path.parent) as made:
        make_node_key(Path(made))
        replace(path, Path(made) / PRIVATE)
        replace(public, Path(made) / PUBLIC)
    return public


def load_node_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The private key in ``path``.

    Raises
    ------
    DeployError
        it is missing, readable by others, or no such key.
    """
    check_private(path, "the SuperNode's private key")
    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DeployError(f"{path} holds no OpenSSH private key without a passphrase: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise DeployError(f"{path} holds another kind of key than ECDSA: `crossward deploy node-key` makes one")
    return key


def fingerprint(public: str) -> str:
    """A public key's fingerprint as ``ssh-keygen -l`` prints it, from the text that :func:`public_text` gives."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def text_of(key: ec.EllipticCurvePublicKey) -> str:
    """A public key as :func:`public_text` gives it."""
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def public_text(path: Path) -> str:
    """A public key file's key as OpenSSH writes it, without its comment; the SuperLink knows nodes by it."""
    try:
        words = read_text(path).split()
        serialization.load_ssh_public_key(" ".join(words[:2]).encode())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise DeployError(f"{path} holds no OpenSSH public key: {error}") from error
    return " ".join(words[:2])
