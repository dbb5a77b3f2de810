"""What the aggregator checks: updates and members' answers are what their hospitals signed, and what was asked for.

Not for: what a member checks before it answers (``crossward.encryption.committee.member``), the sum of updates and
answers (``strategies.opening.making``), or who answered wrongly (``strategies.opening.recheck``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from crossward.encryption.committee.fields import FieldError, check
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
