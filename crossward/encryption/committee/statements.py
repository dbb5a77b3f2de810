"""What a hospital signs about a sealed update, and the list of updates that make a version.

A list is checked the same way by every member before it answers and by every node before it uses the sum: that is
:meth:`VersionList.check`, its one home. The sealed values themselves are in neither; their digest is.

Known to both faces: statements and lists hold no secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from hashlib import sha256

from crossward.config.model_settings import MOST_RANK
from crossward.encryption.committee.fields import MOST_BITS
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.signatures import Sign, canonical, verified
from crossward.encryption.plan import FieldPlan, PlanError

TAG_PRIME = (1 << 61) - 1


class ListError(ValueError):
    """A list of updates must not be opened; says why."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class Rules:
    """What a hospital demands of every version, whatever the aggregator chose."""

    min_contributors: int = 3
    max_share: float = 0.45


@dataclass(frozen=True)
class Statement:
    """A hospital's word on one sealed update.

    Parameters
    ----------
    lineage, roster, signer : str
        The run's lineage, the roster's fingerprint, the hospital's name.
    update : str
        32 random hex digits, drawn with the seeds: names the update for ever.
    stretch : int
        The stretch whose sealing keys the boxes are for.
    bits : tuple of int
        Value, weight and guard bits of the plan.
    count : int
        Fields of the update.
    digest : str
        SHA-256 of its sealed blocks, in order.
    tag : int
        Its masked tag, below 2^61 - 1.
    seeds : tuple of str
        A commitment to the seed of each subset.
    boxes : tuple of str
        SHA-256 of each committee member's box, by name; empty for a member whose sealing key was not known.
    signature : bytes
        Ed25519 over :attr:`canonical`.
    rank : int (default: 0)
        How many of the adapter's components the hospital trains, the fields of the others being zeros; 0: all.
    """

    lineage: str
    roster: str
    signer: str
    update: str
    stretch: int
    bits: tuple[int, int, int]
    count: int
    digest: str
    tag: int
    seeds: tuple[str, ...]
    boxes: tuple[str, ...]
    signature: bytes = b""
    rank: int = 0

    @cached_property
    def canonical(self) -> bytes:
        """What the hospital signs: every fact but the signature, and a rank of 0."""
        unsigned = {"signature"} if self.rank else {"signature", "rank"}
        facts = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in unsigned}
        return canonical("update", facts)

    @property
    def plan(self) -> FieldPlan:
        """The plan that the update was sealed under."""
        return FieldPlan(*self.bits)

    def signed(self, sign: Sign) -> Statement:
        """With the hospital's signature, made by ``sign`` (``Ed25519PrivateKey.sign``)."""
        return replace(self, signature=sign(self.canonical))


def _check_boxes(where: str, statement: Statement, roster: Roster) -> None:
    if (without := statement.boxes.count("")) > roster.absent:
        raise ListError(f"{where} has no box for {without} members: of this committee {roster.absent} may be absent")


def _check_numbers(where: str, statement: Statement) -> None:
    if not 0 <= statement.tag < TAG_PRIME or statement.count < 1:
        raise ListError(f"{where} has a tag or a number of fields out of range")
    if not 0 <= statement.rank <= MOST_RANK:
        raise ListError(f"{where} is of rank {statement.rank}: expected 0 (all components) to {MOST_RANK}")


def box_digests(roster: Roster, boxes: Mapping[str, bytes]) -> tuple[str, ...]:
    """What a statement says of the boxes: SHA-256 of each member's, by name, or "" of one that has none."""
    return tuple(sha256(boxes[m]).hexdigest() if m in boxes else "" for m in sorted(roster.committee))


@dataclass(frozen=True)
class Consent:
    """A member's word that it opens the updates of the list ``digest`` in that list and in no other."""

    member: str
    digest: str
    signature: bytes = b""

    @property
    def canonical(self) -> bytes:
        """What the member signs."""
        return canonical("consent", self.member, self.digest)


def weight_limit(plan: FieldPlan, roster: Roster) -> int:
    """The most that a version's weights may sum to: W, or what leaves room for the dithers in the fields.

    A field is ``q + q_max``, at most 2 q_max. With two carriers, as of a committee of 4 with threshold 2, it is W.
    """
    room = (1 << (plan.value_bits + plan.weight_bits)) - 1 - len(roster.carriers) * (plan.total_weight - 2)
    return min(plan.total_weight, room // (2 * plan.q_max))


@dataclass(frozen=True)
class VersionList:
    """The updates of a version and their integer weights, in the order of their signers' names.

    ``epoch`` is the version's scale epoch: what a unit of its integers is worth.
    """

    lineage: str
    version: int
    roster: str
    contributions: tuple[tuple[Statement, int], ...]
    epoch: int = 0

    @classmethod
    def of(
        cls, roster: Roster, version: int, statements: Sequence[Statement], weights: Sequence[int], epoch: int = 0
    ) -> VersionList:
        """The list of ``statements``, of one lineage, with their weights."""
        ordered = sorted(zip(statements, weights, strict=True), key=lambda pair: pair[0].signer)
        return cls(statements[0].lineage if statements else "", version, roster.fingerprint, tuple(ordered), epoch)

    @cached_property
    def digest(self) -> str:
        """Names exactly this list: statements, weights, version, epoch, lineage, roster."""
        listed = [[sha256(statement.canonical).hexdigest(), weight] for statement, weight in self.contributions]
        return sha256(canonical("version", self.lineage, self.version, self.epoch, self.roster, listed)).hexdigest()

    @property
    def signers(self) -> tuple[str, ...]:
        """Who contributes, in order."""
        return tuple(statement.signer for statement, _ in self.contributions)

    @property
    def weights(self) -> tuple[int, ...]:
        """With which integer weights."""
        return tuple(weight for _, weight in self.contributions)

    @property
    def plan(self) -> FieldPlan:
        """The one plan of all its updates."""
        return self.contributions[0][0].plan

    @property
    def count(self) -> int:
        """Fields of each update and of the sum."""
        return self.contributions[0][0].count

    def check(self, roster: Roster, rules: Rules) -> None:
        """Refuse a list that must not become a version.

        Raises
        ------
        ListError
            naming the update or the number that is wrong.
        """
        if self.roster != roster.fingerprint:
            raise ListError(f"the list is of roster {self.roster[:16]}, the one in force is {roster.fingerprint[:16]}")
        if type(self.version) is not int or self.version < 1:
            raise ListError(f"version {self.version!r}: expected a whole number from 1")
        if type(self.epoch) is not int or self.epoch < 0:
            raise ListError(f"scale epoch {self.epoch!r} of version {self.version}: expected a whole number from 0")
        signers = self.signers
        if twice := sorted({name for name in signers if signers.count(name) > 1}):
            raise ListError(f"{', '.join(twice)} contributes more than once: a version takes one update a hospital")
        if list(signers) != sorted(signers):
            raise ListError("the list is not in the order of its signers' names")
        if len(signers) < max(rules.min_contributors, 1):
            raise ListError(f"{len(signers)} contributors, this hospital demands {rules.min_contributors} or more")
        first = self.contributions[0][0]
        for statement, _ in self.contributions:
            self._check_statement(statement, first, roster)
        if len({statement.update for statement, _ in self.contributions}) != len(signers):
            raise ListError("two updates of the list have the same name")
        self._check_weights(roster, rules)

    def check_consents(self, roster: Roster, consents: Sequence[Consent], own: str) -> None:
        """Refuse a list that fewer than a quorum, ``own`` included, consented to.

        Raises
        ------
        ListError
            naming a consent that does not count, or how many there are.
        """
        for consent in consents:
            where = f"the consent of {consent.member}"
            if consent.member not in roster.committee or consent.digest != self.digest:
                raise ListError(f"{where} is to another list, or {consent.member} is not on the committee")
            if not verified(roster.identity(consent.member), consent.signature, consent.canonical):
                raise ListError(f"{where} is not signed by it: it was changed on its way or made up")
        given = {own, *(consent.member for consent in consents)}
        if len(given) < roster.quorum:
            raise ListError(
                f"{len(given)} members ({', '.join(sorted(given))}) consented to this list, it takes {roster.quorum}"
            )

    def _check_statement(self, statement: Statement, first: Statement, roster: Roster) -> None:
        where = f"the update of {statement.signer}"
        texts = (statement.lineage, statement.roster, statement.digest, *statement.seeds, *statement.boxes)
        numbers = (statement.stretch, statement.count, statement.tag, statement.rank, *statement.bits)
        if not (
            all(isinstance(text, str) for text in texts)
            and all(type(number) is int for number in numbers)
            and re.fullmatch("[0-9a-f]{32}", statement.update)
        ):
            raise ListError(f"{where} has facts of another kind than expected, or a name that is not 32 hex digits")
        if statement.signer not in roster.hospitals:
            raise ListError(f"{where}: {statement.signer} is not in roster {roster.fingerprint[:16]}")
        if not verified(roster.identity(statement.signer), statement.signature, statement.canonical):
            raise ListError(f"{where} is not signed by it: it was changed on its way or made up")
        if (statement.lineage, statement.roster) != (self.lineage, self.roster):
            raise ListError(f"{where} was sealed for another lineage or roster")
        if (statement.bits, statement.count) != (first.bits, first.count):
            raise ListError(f"{where} has another plan or number of fields than that of {first.signer}")
        expected = len(roster.subsets), len(roster.committee)
        if (len(statement.seeds), len(statement.boxes)) != expected:
            raise ListError(f"{where} has not one seed a subset and one box a member")
        _check_boxes(where, statement, roster)
        _check_numbers(where, statement)
        try:
            bits = statement.plan.field_bits
        except (PlanError, TypeError) as error:
            raise ListError(f"{where} has no plan that can be used ({error})") from None
        if bits > MOST_BITS:
            raise ListError(f"{where}: fields of {bits} bits, at most {MOST_BITS} can be opened")

    def _check_weights(self, roster: Roster, rules: Rules) -> None:
        weights, most = self.weights, weight_limit(self.plan, roster)
        if any(type(weight) is not int or weight < 1 for weight in weights):
            raise ListError(f"weights {list(weights)}: expected whole numbers from 1")
        if sum(weights) > most:
            raise ListError(f"weights {list(weights)} sum to {sum(weights)}, the fields hold {most}")
        for rank, chosen in holders([statement.rank for statement, _ in self.contributions]).items():
            self._check_holders(rank, [self.contributions[k] for k in chosen], rules)

    def _check_holders(self, rank: int, contributions: Sequence[tuple[Statement, int]], rules: Rules) -> None:
        """Refuse what would open components of fewer hospitals than demanded, or of one above all."""
        within = "" if len(contributions) == len(self.contributions) else f" of those that train {_components(rank)}"
        if len(contributions) < rules.min_contributors:
            raise ListError(
                f"{len(contributions)} contributors train {_components(rank)}, this hospital demands "
                f"{rules.min_contributors} or more"
            )
        weights = [weight for _, weight in contributions]
        cap = math.ceil(max(rules.max_share, 1 / len(weights)) * sum(weights))
        if max(weights) > cap:
            heaviest = contributions[weights.index(max(weights))][0].signer
            raise ListError(
                f"{heaviest} weighs {max(weights)} of {sum(weights)}{within}, this hospital allows {cap} (max-share "
                f"{rules.max_share:g})"
            )


def holders(ranks: Sequence[int]) -> dict[int, list[int]]:
    """Rank (0: all components) -> the positions of ``ranks`` that train as many or more, lowest rank first."""
    order = sorted(set(ranks), key=lambda rank: rank or MOST_RANK + 1)
    return {level: [k for k, rank in enumerate(ranks) if not rank or (level and rank >= level)] for level in order}


def _components(rank: int) -> str:
    return f"{rank} components" if rank else "all components"
