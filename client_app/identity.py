"""A hospital's identity: an Ed25519 key that lasts across restarts and runs.

Not for: encrypting updates; this key only signs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossward.machine.files import write_new
from crossward.protocol.messages import Update


class IdentityError(ValueError):
    """The identity file cannot be used."""

    tellable = True  # see client_app.guard.refusals


def load_identity(path: Path) -> Ed25519PrivateKey:
    """The key in ``path`` (PEM, PKCS#8, mode 0600), made on first use.

    Raises
    ------
    IdentityError
        the file is readable by others or holds no Ed25519 key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_new(path, pem, private=True)  # of two processes that start at once, one wins and both use its key
    if path.stat().st_mode & 0o077:
        raise IdentityError(f"{path} is readable by others: chmod 600 it, or delete it to get a new identity")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityError(f"{path} holds no usable private key ({error}): restore it from a backup") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityError(f"{path} holds a {type(key).__name__}, expected an Ed25519 key")
    return key


def sign(update: Update, key: Ed25519PrivateKey) -> Update:
    """``update`` with its public key and signature filled in."""
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return replace(update, public_key=public, signature=key.sign(update.signed_bytes()))
