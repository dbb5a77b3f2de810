"""Lossless sealed snapshots: integers that nobody adds, so AES-256-GCM rather than BFV.

A snapshot is the exact state of a node for a newcomer. The server only hands it on, so it needs authenticity more than
arithmetic, and an authenticated cipher gives both at 28 bytes a part instead of several bytes a value. What a part
belongs to (run lineage, layout, version, epoch, place) is its associated data: parts cannot be swapped.

Not for: anything the server adds. Only holders import this module.
"""

from __future__ import annotations

import secrets

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from crossward.encryption.packing import Buffer, pack, unpack, wrapped_size

_NONCE = 12


class SnapshotError(ValueError):
    """A part of a snapshot does not open."""

    tellable = True  # see client_app.refusals


def wrap(key: bytes, values: NDArray[np.int64], bits: int, belongs_to: str) -> bytes:
    """Unsigned int64 [n], ``bits`` bits each, sealed under the 32-byte ``key``: nonce, ciphertext, tag."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, pack(values, bits), belongs_to.encode())


def unwrap(key: bytes, data: Buffer, bits: int, count: int, belongs_to: str) -> NDArray[np.int64]:
    """Undo :func:`wrap`: int64 [count].

    Raises
    ------
    SnapshotError
        another key, another place, or changed bytes.
    """
    if len(data) != wrapped_size(count, bits):
        raise SnapshotError(f"a sealed snapshot part of {count} fields of {bits} bits has {len(data)} bytes")
    view = memoryview(data)
    try:
        plain = AESGCM(key).decrypt(view[:_NONCE], view[_NONCE:], belongs_to.encode())
    except InvalidTag as error:
        raise SnapshotError(
            "a part of the snapshot was sealed under another key, for another place, or changed"
        ) from error
    return unpack(plain, bits, count)
