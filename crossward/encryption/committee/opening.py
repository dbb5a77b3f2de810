"""The aggregator's face: weighted sums of sealed updates, and the padded sum that the committee's answers leave.

``sum_k n_k c_k`` minus the members' shares is the sum of the values, a dither and a pad under the consortium's key,
modulo 2^b: the aggregator never sees a sum in the clear. When a version does not check out at the nodes, members
that hold the same subset are compared, each by its signed answer, and who lied is named.

Not for: what a member checks before it answers (``crossward.encryption.committee.member``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from crossward.encryption.committee.fields import FieldError, check, weighted_sum
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.signatures import Sign, canonical, verified
from crossward.encryption.committee.statements import TAG_PRIME, Statement, VersionList, box_digests
from crossward.encryption.packing import Buffer


class AnswerError(ValueError):
    """A member's answer, an update or a version's parts do not fit what was asked; says whose."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class Answer:
    """A member's share of a version: packed fields of each block and a number modulo 2^61 - 1, for some subsets."""

    member: str
    digest: str
    subsets: tuple[int, ...]
    blocks: tuple[bytes, ...]
    tag: int
    signature: bytes = b""

    @property
    def canonical(self) -> bytes:
        """What the member signs: it cannot deny a wrong share."""
        digests = [sha256(block).hexdigest() for block in self.blocks]
        return canonical("answer", self.member, self.digest, self.subsets, digests, self.tag)

    def signed(self, sign: Sign) -> Answer:
        """With the member's signature, made by ``sign`` (``Ed25519PrivateKey.sign``)."""
        return replace(self, signature=sign(self.canonical))

    def check(self, roster: Roster, version: VersionList, subsets: Sequence[int], counts: Sequence[int]) -> None:
        """Refuse an answer that is not what was asked: ``subsets`` of ``version``, blocks of ``counts`` fields.

        Raises
        ------
        AnswerError
            naming the member.
        """
        where = f"the answer of {self.member}"
        if self.member not in roster.committee:
            raise AnswerError(f"{where}: {self.member} is not on the committee")
        if (self.digest, self.subsets) != (version.digest, tuple(subsets)):
            raise AnswerError(f"{where} is for another list or other subsets than it was asked for")
        if len(self.blocks) != len(counts) or not (type(self.tag) is int and 0 <= self.tag < TAG_PRIME):
            raise AnswerError(f"{where} has {len(self.blocks)} blocks, expected {len(counts)}, or a tag out of range")
        for number, (block, count) in enumerate(zip(self.blocks, counts, strict=True)):
            try:
                check(block, version.plan.field_bits, count)
            except FieldError as error:
                raise AnswerError(f"{where}, block {number}: {error}") from None
        if not verified(roster.identity(self.member), self.signature, self.canonical):
            raise AnswerError(f"{where} is not signed by it: it was changed on its way or made up")


@dataclass(frozen=True)
class VersionRecord:
    """An opened version as everybody keeps it: the list, the padded sum of each block, the sum of the tag shares."""

    version: VersionList
    counts: tuple[int, ...]
    blocks: tuple[bytes, ...]
    tag: int


def check_update(
    roster: Roster, statement: Statement, blocks: Sequence[Buffer], counts: Sequence[int], boxes: Mapping[str, bytes]
) -> None:
    """Refuse an update whose bytes are not what its hospital signed.

    Raises
    ------
    AnswerError
        naming the hospital and the part.
    """
    where = f"the update of {statement.signer}"
    if sum(counts) != statement.count or len(blocks) != len(counts):
        raise AnswerError(f"{where} has {statement.count} fields, the layout {sum(counts)} in {len(counts)} blocks")
    for number, (block, count) in enumerate(zip(blocks, counts, strict=True)):
        try:
            check(block, statement.plan.field_bits, count)
        except FieldError as error:
            raise AnswerError(f"{where}, block {number}: {error}") from None
    if not set(boxes) <= set(roster.committee) or box_digests(roster, boxes) != statement.boxes:
        raise AnswerError(f"{where}: its sealed seeds are not those that it signed")
    if (boxless := len(roster.committee) - len(boxes)) > roster.absent:
        raise AnswerError(
            f"{where} has no seeds for {boxless} members, of this committee {roster.absent} may be absent"
        )
    if payload_digest(blocks) != statement.digest:
        raise AnswerError(f"{where}: its sealed blocks are not those that it signed")
    if not verified(roster.identity(statement.signer), statement.signature, statement.canonical):
        raise AnswerError(f"{where} is not signed by it: it was changed on its way or made up")


def payload_digest(blocks: Sequence[Buffer]) -> str:
    """SHA-256 of sealed blocks in order, 64 hex digits."""
    state = sha256()
    for block in blocks:
        state.update(block)
    return state.hexdigest()


def assign(roster: Roster, members: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Which subsets each of ``members`` answers, each subset once, as evenly as can be.

    Raises
    ------
    AnswerError
        they are too few.
    """
    out: dict[str, list[int]] = {member: [] for member in sorted(set(members) & set(roster.committee))}
    if len(out) < roster.openers:
        raise AnswerError(f"{len(out)} members of the committee can be asked, a version takes {roster.openers}")
    for number, subset in enumerate(roster.subsets):
        least = min((member for member in out if member in subset), key=lambda member: (len(out[member]), member))
        out[least].append(number)
    return {member: tuple(numbers) for member, numbers in out.items() if numbers}


def record(
    roster: Roster,
    version: VersionList,
    counts: Sequence[int],
    updates: Sequence[Sequence[Buffer]],
    answers: Sequence[Answer],
) -> VersionRecord:
    """The version that ``updates`` (blocks of each contribution, in the list's order) and ``answers`` make.

    Raises
    ------
    AnswerError
        an answer is not what was asked, or the answers leave out a subset or hold one twice.
    """
    for answer in answers:
        answer.check(roster, version, answer.subsets, counts)
    covered = sorted(subset for answer in answers for subset in answer.subsets)
    if covered != list(range(len(roster.subsets))):
        raise AnswerError(f"the answers cover subsets {covered}, expected each of {len(roster.subsets)} once")
    weights, bits = (*version.weights, *(-1 for _ in answers)), version.plan.field_bits
    blocks = tuple(
        weighted_sum(
            [*(update[number] for update in updates), *(answer.blocks[number] for answer in answers)],
            weights,
            bits,
            count,
        )
        for number, count in enumerate(counts)
    )
    return VersionRecord(version, tuple(counts), blocks, sum(answer.tag for answer in answers) % TAG_PRIME)


def liars(
    roster: Roster,
    version: VersionList,
    counts: Sequence[int],
    updates: Sequence[Sequence[Buffer]],
    answers: Sequence[Answer],
    checks_out: Callable[[VersionRecord], bool],
) -> tuple[tuple[str, ...], VersionRecord]:
    """Who lied about a version that does not check out, and the version as it should be.

    Parameters
    ----------
    answers : sequence of Answer
        One subset each, from all members that can be asked, and the answers of more subsets that the failed version
        was made of.
    checks_out : callable
        A node's verdict on a version (``crossward.encryption.committee.hospital.open_version``).

    Raises
    ------
    AnswerError
        no choice among the answers checks out: an update's own tag is wrong, or all holders of a subset lie alike.
    """
    for answer in answers:
        answer.check(roster, version, answer.subsets, counts)
    said: list[dict[tuple[tuple[bytes, ...], int], list[Answer]]] = [{} for _ in roster.subsets]
    for answer in answers:
        if len(answer.subsets) == 1:
            said[answer.subsets[0]].setdefault((answer.blocks, answer.tag), []).append(answer)
    if missing := [number for number, values in enumerate(said) if not values]:
        raise AnswerError(f"no member answered subsets {missing} alone: ask those that hold them")
    by_support = [sorted(values.values(), key=len, reverse=True) for values in said]
    for choice in itertools.product(*by_support):
        found = record(roster, version, counts, updates, [agreeing[0] for agreeing in choice])
        if checks_out(found):
            right = [agreeing[0] for agreeing in choice]
            wrong = {answer.member for answer in answers if not _agrees(answer, right, version, counts)}
            return tuple(sorted(wrong)), found
    holders = {a.member for values in said if len(values) > 1 for agreeing in values.values() for a in agreeing}
    cause = f"{', '.join(sorted(holders))} disagree" if holders else "members agree, so an update's own tag is wrong"
    raise AnswerError(f"version {version.version} checks out under no choice of answers: {cause}")


def _agrees(answer: Answer, right: Sequence[Answer], version: VersionList, counts: Sequence[int]) -> bool:
    """Whether ``answer`` is the sum of what is right for its subsets."""
    parts = [right[subset] for subset in answer.subsets]
    if answer.tag != sum(part.tag for part in parts) % TAG_PRIME:
        return False
    bits, ones = version.plan.field_bits, [1] * len(parts)
    return all(
        block == weighted_sum([part.blocks[number] for part in parts], ones, bits, count)
        for number, (block, count) in enumerate(zip(answer.blocks, counts, strict=True))
    )
