"""Signing an update with the hospital's identity.

Not for: the key itself (``crossward.encryption.identity``).
"""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossward.protocol.messages import Update


def sign(update: Update, key: Ed25519PrivateKey) -> Update:
    """``update`` with its public key and signature filled in."""
    return replace(update, public_key=key.public_key().public_bytes_raw(), signature=key.sign(update.signed_bytes()))
