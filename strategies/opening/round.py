"""One version list on its way to being opened: who has consented, who has answered, who is to be asked next.

The list is fixed and in the ledger before anybody is asked: a member that has consented opens its updates in no other.
Consents come first, from a quorum; then as few members as can are asked for their shares, each subset once. A
member that does not answer is replaced by another that holds the same subsets; one that declines is asked again later.

Not for: messages (``strategies.opening.questions``) or what the answers make (``strategies.opening.making``).
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from crossward.encryption.committee.opening import Answer
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.spelling import ListRequest
from crossward.encryption.committee.statements import Consent, VersionList
from crossward.ledger.events import Accepted

TRIES = 3  # refusals after which a member counts as one that does not open this list
WITHOUT_KEYS = "an update was sealed while its keys were not known"


class Asked(NamedTuple):
    """A question under way: at which node, for which subsets; none for a consent."""

    node: int
    subsets: tuple[int, ...]


@dataclass
class Round:
    """A list that is being opened.

    Parameters
    ----------
    chosen : list of Accepted
        The updates, in the order in which they were chosen.
    version : VersionList
        The list that members are asked to open.
    roster : Roster
        The one in force.
    boxes : mapping of str to mapping of str to bytes
        Signer -> member -> the sealed seeds.
    counts : tuple of int
        Fields of each sealed part.
    key : str
        Fingerprint of the consortium key whose secret pads the sum.
    began : float
        When, on the server's clock.
    work : float (default: 0)
        Seconds that members worked for it, as they report within the round trips.
    """

    chosen: list[Accepted]
    version: VersionList
    roster: Roster
    boxes: Mapping[str, Mapping[str, bytes]]
    counts: tuple[int, ...]
    key: str
    began: float
    work: float = 0.0
    consents: dict[str, Consent] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)  # without their blocks, which the journal keeps
    asked: dict[str, Asked] = field(default_factory=dict)  # by member
    declined: dict[str, tuple[int, str]] = field(default_factory=dict)  # member -> how often, why
    silent: dict[str, int] = field(default_factory=dict)  # member -> how often in a row it did not answer
    not_before: dict[str, float] = field(default_factory=dict)
    prefix: str = "answers"

    @property
    def missing(self) -> tuple[int, ...]:
        """Subsets that no member has answered or is being asked to answer."""
        held = {subset for answer in self.answers for subset in answer.subsets}
        held |= {subset for asked in self.asked.values() for subset in asked.subsets}
        return tuple(number for number in range(len(self.roster.subsets)) if number not in held)

    @property
    def agreed(self) -> bool:
        """Whether a quorum has consented."""
        return len(self.consents) >= self.roster.quorum

    @property
    def complete(self) -> bool:
        """Whether every subset is answered."""
        return sum(len(answer.subsets) for answer in self.answers) == len(self.roster.subsets)

    @property
    def hopeless(self) -> str:
        """Why the list will not be opened, when too many members decline it; empty while it may be."""
        final = self._declining | dict.fromkeys(self.boxless, WITHOUT_KEYS)
        if len(self.roster.committee) - len(final) >= max(self.roster.quorum, self.roster.openers):
            return ""
        return "; ".join(f"{name}: {why}" for name, why in sorted(final.items()))

    def refused(self, lost: Container[tuple[int, str]]) -> bool:
        """Whether too many members decline it that have their keys: what is wrong may be what they were sent.

        ``lost`` are (stretch, member) of keys that their members have lost.
        """
        stretches = {statement.stretch for statement, _ in self.version.contributions}
        having = [name for name in self._declining if not any((number, name) in lost for number in stretches)]
        return len(having) > self.roster.absent

    @property
    def _declining(self) -> dict[str, str]:
        """Who declines it for good, and why."""
        return {name: why for name, (times, why) in self.declined.items() if times >= TRIES}

    @cached_property
    def boxless(self) -> frozenset[str]:
        """Members that cannot open all updates: a hospital had no key to seal their seeds to."""
        return frozenset(m for m in self.roster.committee if any(m not in held for held in self.boxes.values()))

    def questions(self, reachable: Sequence[str], now: float) -> dict[str, tuple[int, ...]]:
        """Whom to ask now: members of ``reachable``, best first, with the subsets to answer, () for a consent."""
        free = self._free(reachable, now)
        if not self.agreed:
            return {name: () for name in free if name not in self.consents}
        return share_out(self.roster, self.missing, free)

    def name_of(self, answer: Answer) -> str:
        """Name of an answer's payload in the journal."""
        subsets = "-".join(map(str, answer.subsets))
        member = sorted(self.roster.committee).index(answer.member)  # a name may hold anything that prints
        return f"{self.prefix}/{self.version.version:06d}-{member}-{subsets}"

    def _free(self, reachable: Sequence[str], now: float) -> list[str]:
        """Those that can be asked now."""
        return [
            name
            for name in reachable
            if name not in self.asked and self.not_before.get(name, 0.0) <= now and not self._final(name)
        ]

    def _final(self, name: str) -> bool:
        return name in self.boxless or self.declined.get(name, (0, ""))[0] >= TRIES

    def request(self, member: str, subsets: tuple[int, ...]) -> ListRequest:
        """What ``member`` is asked."""
        boxes = {signer: held[member] for signer, held in self.boxes.items() if member in held}
        consents = tuple(self.consents[name] for name in sorted(self.consents)) if subsets else ()
        return ListRequest(self.version, self.key, boxes, consents, subsets, self.counts if subsets else ())

    def member_at(self, node: int) -> str:
        """Which member's answer a node owes; empty when none's."""
        return next((name for name, asked in self.asked.items() if asked.node == node), "")

    def failed(self, member: str, now: float, pause: float, why: str = "") -> None:
        """A member did not answer, or declined for ``why``; it is asked again after a pause that doubles."""
        self.asked.pop(member, None)
        times = self.declined.get(member, (0, ""))[0]
        if why:
            times += 1
            self.declined[member] = (times, why)
        else:
            self.silent[member] = self.silent.get(member, 0) + 1
        self.not_before[member] = now + pause * 2.0 ** min(times + self.silent.get(member, 0), 6)

    def helped(self, member: str) -> None:
        """A member did what it was asked."""
        self.asked.pop(member, None)
        self.silent.pop(member, None)

    def next_moment(self, now: float) -> float:
        """When, after ``now``, a member may be asked again; infinity when none waits."""
        return min((moment for moment in self.not_before.values() if moment > now), default=float("inf"))


Choice = tuple[Answer, ...]
"""An answer for each subset, in order; empty: the answers that the version was made of at first."""


@dataclass
class Recheck(Round):
    """The answers for ``first``'s list, a subset at a time, and the choices of them that are still to be tried.

    ``choices`` is None until all answers are there; ``as_made`` is the choice that adds up to what the version was made
    of at first, if one does. ``made`` says of which choices the record was made anew, and after which task was
    composed; ``verified`` which one each hospital verified.
    """

    first: Round | None = None
    choices: list[Choice] | None = None
    as_made: Choice = ()
    made: list[tuple[int, Choice]] = field(default_factory=list)
    verified: dict[str, Choice] = field(default_factory=dict)
    values: dict[Answer, str] = field(default_factory=dict)  # what each says, in short
    prefix: str = "answers/again"

    def record_of(self, task: int) -> Choice:
        """What the record was made of that a ``task`` came with."""
        return next((choice for last, choice in reversed(self.made) if last < task), ())

    @property
    def newest(self) -> Choice:
        """What it is made of now."""
        return self.made[-1][1] if self.made else ()

    def open_to(self, name: str) -> list[int]:
        """Subsets that ``name`` holds and has not answered."""
        given = {subset for answer in self.answers if answer.member == name for subset in answer.subsets}
        return [subset for subset in self.roster.held(name) if subset not in given]

    def questions(self, reachable: Sequence[str], now: float) -> dict[str, tuple[int, ...]]:
        """The next subset of every member that can be asked."""
        return {name: tuple(self.open_to(name)[:1]) for name in self._free(reachable, now) if self.open_to(name)}

    def _final(self, name: str) -> bool:
        return super()._final(name) or self.silent.get(name, 0) >= TRIES

    def waits_for(self, reachable: Sequence[str]) -> bool:
        """Whether a member still owes an answer."""
        return any(name in self.asked or (self.open_to(name) and not self._final(name)) for name in reachable)


def share_out(roster: Roster, subsets: Sequence[int], members: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Who of ``members``, best first, answers which of ``subsets``: as few members as can, each about as much.

    Subsets that none of them holds are left out.
    """
    few = list(members[: roster.openers])
    out: dict[str, list[int]] = {}
    for number in subsets:
        holders = [name for name in few if number in roster.held(name)] or [
            name for name in members if number in roster.held(name)
        ]
        if holders:
            least = min(holders, key=lambda name: (len(out.get(name, ())), members.index(name)))
            out.setdefault(least, []).append(number)
    return {name: tuple(numbers) for name, numbers in out.items()}
