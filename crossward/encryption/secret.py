"""One generation of the consortium's secret: 32 random bytes and what is derived from them.

Everything a hospital needs comes from these bytes by HKDF-SHA-256 (RFC 5869), each use under a label of its own:
the BFV secret key (SEAL's generator seeded with 64 derived bytes gives the same key under every plain modulus), the
key of sealed snapshots, the key of state hashes, the committee scheme's, and a public fingerprint.

Not for: key files (``crossward.cli.keys``). Only holders import this module.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crossward.config.encryption_schemes import BFV

SIZE = 32


@dataclass(frozen=True)
class Secret:
    """32 secret bytes. Prints as its fingerprint and refuses to be pickled, so that it cannot slip into a log."""

    master: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.master) != SIZE:
            raise ValueError(f"a consortium secret has {SIZE} bytes, got {len(self.master)}")

    @classmethod
    def generate(cls) -> Secret:
        """A new one, from the system's random source."""
        return cls(secrets.token_bytes(SIZE))

    def _derive(self, label: str, size: int) -> bytes:
        return HKDF(SHA256(), size, salt=None, info=b"crossward/1/" + label.encode()).derive(self.master)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that name the secret and reveal nothing else."""
        return self._derive("fingerprint", 8).hex()

    def seed(self, scheme: str, size: int) -> bytes:
        """The key material of a scheme, ``size`` bytes under its name (``crossward.config.encryption_schemes``)."""
        return self._derive(scheme, size)

    def bfv_seed(self) -> bytes:
        """64 bytes that seed SEAL's key generator."""
        return self.seed(BFV, 64)

    def snapshot_key(self) -> bytes:
        """AES-256 key of sealed snapshots."""
        return self._derive("snapshot", 32)

    def hash_key(self) -> bytes:
        """HMAC key of state hashes."""
        return self._derive("state-hash", 32)

    def committee_key(self) -> bytes:
        """What tags and pads of the committee scheme derive from (``crossward.encryption.committee``)."""
        return self._derive("committee", 32)

    def alignment_key(self) -> bytes:
        """What patients' identifiers are peppered with before parties are aligned (``crossward.alignment``)."""
        return self._derive("alignment", 32)

    def __repr__(self) -> str:
        return f"Secret({self.fingerprint})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a consortium secret is never pickled: hand on the derived bytes that are needed")

    def __deepcopy__(self, memo: Any) -> Secret:
        return self
