"""A hospital's identity: an Ed25519 key that lasts across restarts and runs, and its public half for the others.

It signs updates, and the roster of who takes part. Only holders import this module.

Not for: encrypting updates (``crossward.encryption.key_file``), or the key by which the SuperLink knows a node
(``crossward.deploy.node_keys``).
"""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossward.machine.files import write_new
from crossward.machine.text import TextError, decoded

PRIVATE = "identity.pem"
_PUBLIC_MOST = 1 << 12  # bytes of a public identity's file


class IdentityError(ValueError):
    """An identity's file cannot be used."""

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
    return read_identity(path)


def read_identity(path: Path) -> Ed25519PrivateKey:
    """The key in ``path``, as :func:`load_identity`; a missing one is an IdentityError too."""
    if not path.is_file():
        raise IdentityError(
            f"there is no identity at {path}: it is identity.pem in the hospital's state folder; "
            "`crossward deploy identity` makes it"
        )
    if path.stat().st_mode & 0o077:
        raise IdentityError(f"{path} is readable by others: chmod 600 it, or delete it to get a new identity")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise IdentityError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityError(f"{path} holds no usable private key ({error}): restore it from a backup") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityError(f"{path} holds a {type(key).__name__}, expected an Ed25519 key")
    return key


def public_of(key: Ed25519PrivateKey) -> str:
    """The public half of ``key``: 64 hex digits, by which a roster knows a hospital."""
    return key.public_key().public_bytes_raw().hex()


def public_line(key: Ed25519PrivateKey, name: str) -> str:
    """What ``identity.pub`` holds: 64 hex digits and the hospital's name."""
    return f"{public_of(key)} {name}\n"


def read_public(path: Path) -> tuple[str, str]:
    """The key (64 hex digits) and the name in the file that :func:`public_line` fills.

    Raises
    ------
    IdentityError
        the file cannot be read, or holds something else.
    """
    try:
        with path.open("rb") as file:
            text = decoded(file.read(_PUBLIC_MOST), path)
    except OSError as error:
        raise IdentityError(f"the public identity {path} cannot be read ({error.strerror})") from error
    except TextError as error:
        raise IdentityError(str(error)) from error
    if "PRIVATE KEY" in text:
        raise IdentityError(f"{path} holds a private key: keep it secret, and give its public half, identity.pub")
    found = re.fullmatch(r"([0-9a-f]{64}) (\S[^\n]*?)\s*", text)
    if found is None:
        raise IdentityError(
            f"{path} is no public identity: expected one line with 64 hex digits and a name, as in identity.pub"
        )
    return found[1], found[2]
