"""One-time masks: fresh seeds for every update, and the keystreams that they stand for.

The mask of an update is the sum, over all (J - t)-subsets of the committee, of an AES-256-CTR keystream of b-bit words.
Each keystream's key is HKDF-SHA256 (RFC 5869) of a seed and of lineage, signer, update and subset, so that a seed
that somebody sends again is another mask. Each member gets the seeds of its subsets in one box, bound to the
update's digest, signer and lineage; the signed statement commits to each seed, so that all who hold a subset hold the
same seed or find out who lied.

Only holders import this module.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NoReturn

import numpy as np
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crossward.encryption.committee.boxes import BoxError, SealingKey, seal
from crossward.encryption.committee.fields import Words, word
from crossward.encryption.committee.roster import Roster, RosterError, SealingCertificate
from crossward.encryption.committee.signatures import canonical
from crossward.encryption.committee.statements import TAG_PRIME, Statement
from crossward.encryption.keystream import add_keystream, keystream

SEED_BYTES, UPDATE_BYTES = 32, 16


def derive(secret: bytes, label: str, *facts: Any, size: int = 32) -> bytes:
    """``size`` bytes of ``secret`` for one use."""
    return HKDF(SHA256(), size, salt=None, info=canonical(label, *facts)).derive(secret)


def number(secret: bytes, label: str, *facts: Any) -> int:
    """A number below 2^61 - 1 of ``secret``, uniform but for 2^-67."""
    return int.from_bytes(derive(secret, label, *facts, size=16), "little") % TAG_PRIME


@dataclass(frozen=True)
class Seeds:
    """The seeds of one update, of all subsets or of those that one member holds. Refuses to be pickled.

    ``update`` names the update: 32 random hex digits, drawn with the seeds.
    """

    lineage: str
    signer: str
    update: str
    held: Mapping[int, bytes] = field(repr=False)

    @classmethod
    def draw(cls, roster: Roster, lineage: str, signer: str) -> Seeds:
        """Fresh ones, from the system's random source. Never use them for two vectors."""
        held = {subset: secrets.token_bytes(SEED_BYTES) for subset in range(len(roster.subsets))}
        return cls(lineage, signer, secrets.token_hex(UPDATE_BYTES), held)

    def _of(self, label: str, subset: int) -> tuple[bytes, str, str, str, str, int]:
        return self.held[subset], label, self.lineage, self.signer, self.update, subset

    def mask_key(self, subset: int) -> bytes:
        """The key of one subset's keystream, part of the mask."""
        return derive(*self._of("mask", subset))

    def mask(self, bits: int, first: int, count: int) -> Words:
        """The sum of all subsets' keystreams, of fields ``first`` to ``first + count - 1``: ``word(bits)`` [count]."""
        total = np.zeros(count, dtype=word(bits))
        for subset in self.held:
            add_keystream(total, self.mask_key(subset), first)
        return total

    def tag_mask(self, subset: int) -> int:
        """One subset's part of the mask of the tag."""
        return number(*self._of("tag mask", subset))

    def commitment(self, subset: int) -> str:
        """What a statement says of a subset's seed."""
        return derive(*self._of("commitment", subset)).hex()

    def __reduce__(self) -> NoReturn:
        raise TypeError("seeds are never pickled")


def _info(statement: Statement, member: str) -> bytes:
    """What a member's box is bound to: facts that are fixed before the boxes are made."""
    s = statement
    facts = [s.lineage, s.roster, s.signer, s.update, s.stretch, s.bits, s.count, s.digest, s.tag, s.seeds]
    return canonical("seeds", member, *facts)


def seal_seeds(
    seeds: Seeds, roster: Roster, statement: Statement, certificates: Mapping[str, SealingCertificate]
) -> dict[str, bytes]:
    """A box for each member of the committee that has a certificate, with the seeds of the subsets it is in.

    Raises
    ------
    RosterError
        more certificates are missing than members may be absent, or one is not for its member, lineage and stretch.
    """
    missing = [member for member in sorted(roster.committee) if member not in certificates]
    if len(missing) > roster.absent:
        raise RosterError(
            f"there is no sealing key of {', '.join(missing)} for stretch {statement.stretch}: of this committee "
            f"{roster.absent} may be absent"
        )
    out = {}
    for member in sorted(set(roster.committee) - set(missing)):
        certificate = certificates[member]
        certificate.check(roster, member, statement.lineage, statement.stretch)
        plain = b"".join(seeds.held[subset] for subset in roster.held(member))
        out[member] = seal(certificate.key, plain, _info(statement, member))
    return out


def open_seeds(key: SealingKey, roster: Roster, member: str, statement: Statement, box: bytes) -> Seeds:
    """The seeds in the box of ``member`` of a statement whose signature was checked.

    Raises
    ------
    BoxError
        it is not the box that the signer signed, does not open, or holds other seeds than the statement commits to.
    """
    where = f"the seeds of {statement.signer} for {member}"
    if sha256(box).hexdigest() != statement.boxes[sorted(roster.committee).index(member)]:
        raise BoxError(f"{where} are not those that {statement.signer} signed: they were swapped or changed")
    try:
        plain = key.open(box, _info(statement, member))
    except BoxError as error:
        raise BoxError(f"{where} do not open: {error}") from None
    subsets = roster.held(member)
    if len(plain) != SEED_BYTES * len(subsets):
        raise BoxError(f"{where} are {len(plain)} bytes, expected {SEED_BYTES} for each of {len(subsets)} subsets")
    held = {subset: plain[SEED_BYTES * i : SEED_BYTES * (i + 1)] for i, subset in enumerate(subsets)}
    seeds = Seeds(statement.lineage, statement.signer, statement.update, held)
    wrong = [subset for subset in subsets if not _same(seeds.commitment(subset), statement.seeds[subset])]
    if wrong:
        raise BoxError(f"{where} are not those that {statement.signer} committed to (subsets {wrong})")
    return seeds


def _same(found: str, said: str) -> bool:
    return hmac.compare_digest(found.encode(), said.encode())


def joint_key(seeds: Sequence[Seeds], subset: int, digest: str) -> bytes:
    """A key that takes all contributors' seeds of a subset to know: of the dither of the version list ``digest``."""
    return derive(b"".join(seed.held[subset] for seed in seeds), "dither", digest, subset)


def pad(secret: bytes, digest: str, bits: int, first: int, count: int) -> Words:
    """What hides the sum of the version list ``digest`` from whoever lacks the consortium's ``secret``."""
    return keystream(derive(secret, "pad", digest), word(bits), first, count)


def tag_pad(secret: bytes, digest: str) -> int:
    """The same for its tag."""
    return number(secret, "tag pad", digest)
