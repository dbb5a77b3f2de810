"""A small consortium that seals, opens and can be attacked: who holds what is spelled out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from crossward.encryption.aggregator.committee import CommitteeArithmetic
from crossward.encryption.committee.fields import word
from crossward.encryption.committee.hospital import SealedUpdate, seal_update
from crossward.encryption.committee.masks import joint_key, open_seeds
from crossward.encryption.committee.member import Member, Opened
from crossward.encryption.committee.opening import Answer, check_update
from crossward.encryption.committee.records import Claim, RecordOpener
from crossward.encryption.committee.roster import FEWEST
from crossward.encryption.committee.roster_file import make_book
from crossward.encryption.committee.spelling import Proof
from crossward.encryption.committee.statements import TAG_PRIME, Consent, Rules, VersionList
from crossward.encryption.committee.stretch import Stretch
from crossward.encryption.dither import Dither
from crossward.encryption.plan import PRESETS, FieldPlan
from strategies.opening.round import share_out

LINEAGE = "lineage-1"
SECRET = bytes(range(32))
LENIENT = Rules(min_contributors=1, max_share=1.0)


@dataclass(frozen=True)
class Record:
    """A version as everyone gets it: its list, the padded sum of each block, the sum of the answers' tags."""

    version: VersionList
    counts: tuple[int, ...]
    blocks: tuple[bytes, ...]
    tag: int

    @property
    def claim(self) -> Claim:
        """What the aggregator says of it."""
        return Claim(self.version.version, self.version.version, sum(self.version.weights), 1, 1)


class Consortium:
    """``hospitals`` hospitals, three at least, the first ``committee`` of them on the committee."""

    def __init__(
        self,
        folder: Path,
        hospitals: int = 4,
        committee: int = 4,
        threshold: int = 2,
        plan: FieldPlan = PRESETS["compact"],
        rules: Rules = LENIENT,
        stretch: int = 1,
        colluders: int = 1,
    ) -> None:
        self.names = [f"h{number:02}" for number in range(max(hospitals, FEWEST))]
        self.keys = {name: Ed25519PrivateKey.generate() for name in self.names}
        self.book = make_book(self.keys, self.names[:committee], threshold, colluders)
        self.roster, self.plan, self.rules = self.book.roster, plan, rules
        self.folder, self.stretch = folder, stretch
        self.stretches = {m: Stretch.create(folder / m, LINEAGE, stretch) for m in self.roster.committee}
        self.certificates = {m: s.certificate(m, self.keys[m].sign) for m, s in self.stretches.items()}

    def values(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        return rng.integers(-self.plan.q_max, self.plan.q_max + 1, count)

    def seal(self, name: str, *blocks: NDArray[Any], rank: int = 0) -> SealedUpdate:
        return seal_update(
            self.roster,
            LINEAGE,
            self.stretch,
            name,
            self.keys[name].sign,
            self.certificates,
            self.plan,
            SECRET,
            blocks,
            rank,
        )

    def member(self, name: str, rules: Rules | None = None) -> Member:
        """As it is after a restart: from what is on its disk."""
        stretch = Stretch.load(self.folder / name, LINEAGE, self.stretch)
        return Member(name, self.roster, self.keys[name].sign, [stretch], SECRET, rules or self.rules)

    def list(self, updates: Sequence[SealedUpdate], weights: Sequence[int], version: int = 1) -> VersionList:
        return VersionList.of(self.roster, version, [update.statement for update in updates], weights)

    def opened(self, name: str, version: VersionList, updates: Sequence[SealedUpdate]) -> Opened:
        return self.member(name).open(version, boxes(updates, name), self.consents(version, updates))

    def consents(self, version: VersionList, updates: Sequence[SealedUpdate]) -> list[Consent]:
        """Of a quorum."""
        quorum = self.roster.committee[: self.roster.quorum]
        return [self.member(name).consent(version, boxes(updates, name)) for name in quorum]

    def answers(
        self, version: VersionList, updates: Sequence[SealedUpdate], counts: Sequence[int], asked: Sequence[str]
    ) -> list[Answer]:
        return [
            self.opened(name, version, updates).answer(subsets, counts)
            for name, subsets in share_out(self.roster, range(len(self.roster.subsets)), asked).items()
        ]

    def record(
        self,
        updates: Sequence[SealedUpdate],
        weights: Sequence[int],
        counts: Sequence[int],
        asked: Sequence[str] | None = None,
        version: int = 1,
    ) -> Record:
        """The aggregator's part, all of it."""
        listed = self.list(updates, weights, version)
        for update in updates:
            check_update(self.roster, update.statement, update.blocks, counts, update.boxes)
        answers = self.answers(listed, updates, counts, asked or self.roster.committee)
        return self.sum(listed, counts, updates, answers)

    def sum(
        self, version: VersionList, counts: Sequence[int], updates: Sequence[SealedUpdate], answers: Sequence[Answer]
    ) -> Record:
        """What ``updates`` and ``answers`` add up to, whatever they are."""
        for answer in answers:
            answer.check(self.roster, version, answer.subsets, counts)
        weights, arithmetic = [*version.weights, *(-1 for _ in answers)], CommitteeArithmetic(self.plan)
        columns = zip(*payloads(version, updates), *(answer.blocks for answer in answers), strict=True)
        bits = self.plan.sum_bits(1)
        blocks = [
            arithmetic.combine(parts, weights, [bits] * len(parts), bits, count)
            for parts, count in zip(columns, counts, strict=True)
        ]
        return Record(version, tuple(counts), tuple(blocks), sum(answer.tag for answer in answers) % TAG_PRIME)

    def open(self, found: Record, secret: bytes = SECRET) -> NDArray[np.int64]:
        """A node's part: ``sum n q`` and the dither less its mean, blocks joined."""
        opener = RecordOpener(self.book, self.rules, secret, LINEAGE, self.plan)
        blocks = zip(found.blocks, found.counts, strict=True)
        return np.concatenate(
            [*opener.open(found.claim, Proof((found.version,), found.tag), blocks, sum(found.counts))]
        )

    def carried(self, version: VersionList, updates: Sequence[SealedUpdate]) -> dict[int, NDArray[np.int64]]:
        """Carrier -> the dither that it adds, as who knows every member's keys computes it."""
        out = {}
        for subset in self.roster.carriers:
            member = self.roster.subsets[subset][0]
            key = self.stretches[member].key
            held = [
                open_seeds(key, self.roster, member, statement, boxes(updates, member)[statement.signer])
                for statement, _ in version.contributions
            ]
            made = Dither(joint_key(held, subset, version.digest)).version(
                self.plan.total_weight, version.version, version.signers, version.weights
            )
            assert made is not None
            out[subset] = made(0, version.count)
        return out

    def expected(
        self, values: Sequence[NDArray[np.int64]], version: VersionList, updates: Sequence[SealedUpdate]
    ) -> NDArray[np.int64]:
        """The weighted sum in the clear with the same dither; ``values`` in the list's order."""
        weighted = sum(np.int64(weight) * value for weight, value in zip(version.weights, values, strict=True))
        dither = sum(self.carried(version, updates).values())
        total: NDArray[np.int64] = weighted + dither - self.plan.dither_mean * len(self.roster.carriers)
        return total


def boxes(updates: Sequence[SealedUpdate], member: str) -> Mapping[str, bytes]:
    return {update.statement.signer: update.boxes[member] for update in updates}


def payloads(version: VersionList, updates: Sequence[SealedUpdate]) -> list[tuple[bytes, ...]]:
    """Blocks of each contribution in the list's order."""
    by_signer = {update.statement.signer: update.blocks for update in updates}
    return [by_signer[signer] for signer in version.signers]


def words(values: Sequence[int], bits: int) -> NDArray[Any]:
    return np.array(values, dtype=np.uint64).astype(word(bits))
