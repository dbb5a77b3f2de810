"""What a party holds of keys: its identity, the roster, and for each run lineage a key that envelopes are sealed to.

The sealing key is made for the lineage and signed by the identity, so that a state folder that is lost costs a run and
not an identity. The pepper of identifiers comes of the consortium's key, which the aggregator lacks.

Not for: where the files are (``client_app.vertical.builders``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client_app.vertical.errors import PartyError
from crossward.encryption.committee.boxes import BoxError, SealingKey
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.signatures import verified
from crossward.encryption.identity import public_of
from crossward.encryption.secret import Secret
from crossward.machine.files import write_new
from crossward.protocol.vertical.messages import Introduction

FILE = "sealing.key"


@dataclass(frozen=True)
class PartyKeys:
    """A party's keys in one run lineage, kept in ``folder``."""

    identity: Ed25519PrivateKey = field(repr=False)
    roster: Roster
    secret: Secret = field(repr=False)
    folder: Path
    lineage: str

    @cached_property
    def name(self) -> str:
        """The party in the roster."""
        return self.roster.name_of(public_of(self.identity))

    @cached_property
    def sealing(self) -> SealingKey:
        """The lineage's sealing key, made on first use (96 bytes, mode 0600)."""
        path = self.folder / FILE
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_new(path, SealingKey.generate().data, private=True)
        try:
            return SealingKey(path.read_bytes())
        except BoxError as error:
            raise PartyError(f"{path} holds no sealing key ({error}): restore it, or start a new run") from error

    @property
    def pepper(self) -> bytes:
        """32 bytes that identifiers of the lineage are peppered with; the same at every party."""
        return self.derived("pepper")

    def derived(self, label: str) -> bytes:
        """32 bytes that all parties of the lineage can derive, and the aggregator cannot."""
        key = self.secret.alignment_key()
        return hmac.new(key, f"{self.lineage}/{label}".encode(), hashlib.sha256).digest()

    def introduce(self, holds: str, outcome: bool) -> Introduction:
        """This party's signed introduction."""
        public = self.identity.public_key().public_bytes_raw()
        one = Introduction(self.name, public, self.roster.fingerprint, self.sealing.public, holds, outcome)
        return dataclasses.replace(one, signature=self.identity.sign(one.signed_bytes(self.lineage)))

    def check(self, one: Introduction) -> Introduction:
        """The introduction of another party, if the roster knows its identity and it signed this.

        Raises
        ------
        PartyError
            it is another's, follows another roster, or was changed on its way.
        """
        if one.roster != self.roster.fingerprint:
            raise PartyError(
                f"{one.name!r} follows roster {one.roster[:16]}, this party roster {self.roster.fingerprint[:16]}: "
                "point roster-path at the newest file at each"
            )
        known = self.roster.hospitals.get(one.name)
        if known is None or known != one.public_key.hex():
            raise PartyError(f"{one.name!r} introduces itself with a key that is not the roster's")
        if not verified(known, one.signature, one.signed_bytes(self.lineage)):
            raise PartyError(f"the introduction of {one.name!r} is not signed by the identity that the roster has")
        return one
