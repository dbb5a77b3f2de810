"""Records of opened versions, as nodes get them: one version or the sum of several, checked against their proof.

A record is the sum of its versions' fields, each under the pad of its list. Who contributed with which weight follows
from the lists, which hospitals signed; that the fields are that sum, from the tags. The tag needs the whole record, so
its values are yielded block by block before they are verified: callers must keep none of them before the last one is
out.

Only holders import this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.committee.fields import check, chunks, word
from crossward.encryption.committee.hospital import VersionError
from crossward.encryption.committee.masks import derive, tag_pad
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.spelling import Proof
from crossward.encryption.committee.statements import TAG_PRIME, Rules
from crossward.encryption.committee.tags import tag, tag_key
from crossward.encryption.keystream import keystream
from crossward.encryption.packing import Buffer
from crossward.encryption.plan import FieldPlan


class Claim(NamedTuple):
    """What a record says of itself: see ``crossward.protocol.messages.RecordHead``."""

    first: int
    last: int
    weight_sum: int
    sign: int
    dithered: int
    reverts: int = 0
    epoch: int = 0

    @property
    def text(self) -> str:
        """Its versions, for people."""
        return f"version {self.last}" if self.first == self.last else f"versions {self.first} to {self.last}"


@dataclass(frozen=True)
class RecordOpener:
    """Opens the records of one lineage that are padded under one consortium ``secret``."""

    book: RosterBook
    rules: Rules
    secret: bytes
    lineage: str
    plan: FieldPlan

    def open(
        self, claim: Claim, proof: Proof, blocks: Iterable[tuple[Buffer, int]], count: int
    ) -> Iterator[NDArray[np.int64]]:
        """``sum_k n_k q_k`` and what the dithers leave beyond their means, int64 [n] of each block (bytes, n).

        ``count`` is the number of fields of all blocks. Discard what was yielded if this raises.

        Raises
        ------
        RosterError
            a list is of a roster that the book does not have.
        ListError
            a list is not one that may become a version.
        FieldError, VersionError
            the record is not what it claims to be.
        """
        carriers = self._check(claim, proof, count)
        bits, key = self.plan.field_bits, tag_key(self.secret, self.lineage)
        kind, removed = word(bits), self.plan.q_max * claim.weight_sum + self.plan.dither_mean * carriers
        ones = kind.type((1 << bits) - 1)
        pads = [derive(self.secret, "pad", version.digest) for version in proof.lists]
        total, first = proof.tag + sum(tag_pad(self.secret, version.digest) for version in proof.lists), 0
        for block, size in blocks:
            check(block, bits, size)
            out = np.empty(size, dtype=np.int64)
            for start, fields in chunks(block, bits, size):
                plain = fields.copy()
                for pad in pads:
                    plain -= keystream(pad, kind, first + start, fields.size)
                plain &= ones
                total += tag(key, [(first + start, plain)])
                np.subtract(plain, removed, out=out[start:][: fields.size], dtype=np.int64)
            first += size
            yield out
        listed = sum(weight * statement.tag for version in proof.lists for statement, weight in version.contributions)
        if (listed - total) % TAG_PRIME:
            signers = sorted({signer for version in proof.lists for signer in version.signers})
            raise VersionError(
                f"{claim.text} is not the sum of the updates of {', '.join(signers)} that is listed: a committee "
                "member answered wrongly, an update's tag is wrong, or the aggregator changed the sum"
            )

    def _check(self, claim: Claim, proof: Proof, count: int) -> int:
        """Refuse lists that are not those of the claim; how many dithers their versions carry."""
        self._check_claim(claim, proof)
        updates: dict[tuple[str, str], int] = {}
        carriers = 0
        for version in proof.lists:
            if version.lineage != self.lineage:
                raise VersionError(f"the list of version {version.version} is of run {version.lineage[:64]!r}")
            roster = self.book.of(version.roster)
            version.check(roster, self.rules)
            if (version.plan, version.count) != (self.plan, count):
                raise VersionError(
                    f"the list of version {version.version} is of {version.count} fields and {version.plan}, the run "
                    f"has {count} and {self.plan}"
                )
            carriers += len(roster.carriers)
            for statement, _ in version.contributions:
                before = updates.setdefault((statement.signer, statement.update), version.version)
                if before != version.version:
                    raise VersionError(
                        f"an update of {statement.signer} is listed in version {before} and again in {version.version}"
                    )
        return carriers

    def _check_claim(self, claim: Claim, proof: Proof) -> None:
        numbers, where = [version.version for version in proof.lists], f"the record of {claim.text}"
        if not claim.reverts:
            expected = [
                claim.first + number for number in range(len(numbers))
            ]  # as long as the proof, not as the claim
            if claim.sign != 1 or numbers != expected or claim.last - claim.first + 1 != len(numbers):
                raise VersionError(f"{where} is proved by the lists of versions {numbers[:20]}")
        elif claim.first != claim.last or numbers != [claim.reverts] or not 0 < claim.reverts < claim.first:
            raise VersionError(f"{where} takes back one earlier version, its proof has lists of {numbers[:20]}")
        if wrong := sorted({version.epoch for version in proof.lists} - {claim.epoch}):
            raise VersionError(f"{where} is of scale epoch {claim.epoch}, its lists are of {wrong}")
        weights = sum(sum(version.weights) for version in proof.lists)
        if (weights, len(numbers)) != (claim.weight_sum, claim.dithered):
            raise VersionError(
                f"{where} has weights of {claim.weight_sum} and {claim.dithered} dithered versions, its lists have "
                f"weights of {weights} and {len(numbers)} versions"
            )
        if len(numbers) > self.plan.max_versions:
            raise VersionError(f"{where} is the sum of {len(numbers)} versions, at most {self.plan.max_versions} fit")
