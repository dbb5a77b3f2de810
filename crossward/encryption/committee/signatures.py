"""One spelling of facts for signing, hashing and deriving keys, and Ed25519 signatures checked.

Known to both faces: nothing here is secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Sign = Callable[[bytes], bytes]
"""Signed bytes -> signature: an identity key's ``Ed25519PrivateKey.sign``."""


def canonical(label: str, *facts: Any) -> bytes:
    """The one spelling of ``facts`` (texts, integers, lists, dicts) under a label, for signing, hashing, deriving."""
    return json.dumps([f"crossward/committee/1/{label}", *facts], sort_keys=True, separators=(",", ":")).encode()


def verified(public: str, signature: bytes, signed: bytes) -> bool:
    """Whether the Ed25519 key in hexadecimal ``public`` made ``signature`` over ``signed``."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True
