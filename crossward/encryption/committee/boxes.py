"""Sealed boxes: bytes that one committee member alone can open, bound to what they belong to.

HPKE (RFC 9180) with X-Wing (ML-KEM-768 and X25519), HKDF-SHA256 and AES-256-GCM, from ``cryptography`` 47 on. A box
opens only under the ``info`` that it was sealed under, and cannot be changed into another one. Who records the traffic
needs to break both ML-KEM and X25519.

Only holders import this module.
"""

from __future__ import annotations

from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

PUBLIC_BYTES, PRIVATE_BYTES = 1184 + 32, 64 + 32
BOX_BYTES = 1088 + 32 + 16  # that a box is longer than what is in it
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class BoxError(ValueError):
    """A box or a sealing key cannot be used."""

    tellable = True  # see client_app.guard.refusals


class SealingKey:
    """A private sealing key. Refuses to be pickled.

    Parameters
    ----------
    data : bytes
        96 secret bytes, as :attr:`data` holds them: ML-KEM's seed and X25519's scalar.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) != PRIVATE_BYTES:
            raise BoxError(f"a sealing key of {len(data)} bytes: expected {PRIVATE_BYTES}")
        self.data = data
        kem, curve = MLKEM768PrivateKey.from_seed_bytes(data[:64]), X25519PrivateKey.from_private_bytes(data[64:])
        self._key = MLKEM768X25519PrivateKey(kem, curve)
        self.public = kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> SealingKey:
        """A new one, from the system's random source."""
        return cls(MLKEM768PrivateKey.generate().private_bytes_raw() + X25519PrivateKey.generate().private_bytes_raw())

    def open(self, box: bytes, info: bytes) -> bytes:
        """What was sealed to this key under ``info``.

        Raises
        ------
        BoxError
            it was sealed to another key, for something else, or changed.
        """
        try:
            return _SUITE.decrypt(box, self._key, info=info)
        except (InvalidTag, ValueError):
            raise BoxError("the box was sealed to another key, for something else, or changed on its way") from None

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sealing key is never pickled")

    def __deepcopy__(self, memo: Any) -> SealingKey:
        return self


def seal(public: bytes, plain: bytes, info: bytes) -> bytes:
    """``plain`` for the holder of ``public`` (1,216 bytes), ``BOX_BYTES`` longer.

    Raises
    ------
    BoxError
        ``public`` is no sealing key.
    """
    if len(public) != PUBLIC_BYTES:
        raise BoxError(f"a public sealing key of {len(public)} bytes: expected {PUBLIC_BYTES}")
    try:
        kem, curve = (
            MLKEM768PublicKey.from_public_bytes(public[:1184]),
            X25519PublicKey.from_public_bytes(public[1184:]),
        )
        return _SUITE.encrypt(plain, MLKEM768X25519PublicKey(kem, curve), info=info)
    except ValueError as error:
        raise BoxError(f"a public sealing key cannot be used ({error})") from None
