"""What the server knows of the committee: the hospitals' roster, its members' sealing keys, and at which node each is.

All of it comes from the nodes, since the server has no roster file. Hospitals check what the server makes of it, so a
wrong roster here stops the run and opens nothing.

Not for: opening a version (``strategies.opening.round``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from crossward.encryption.committee.roster import Roster, RosterError, SealingCertificate, stretch_of
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.signatures import verified
from crossward.encryption.committee.spelling import Invitation, read_certificates
from crossward.encryption.committee.statements import weight_limit
from crossward.encryption.plan import FieldPlan
from crossward.ledger.events import CommitteeMet
from crossward.protocol.messages import Membership


@dataclass
class _Known:
    """What a node said of itself: the roster that it follows, with the bytes it came as, and its name in it."""

    data: bytes
    book: RosterBook
    name: str


@dataclass
class Committee:
    """For a lineage, with ``stretch`` versions to a stretch. ``book`` is the roster in force, None before it is known.

    ``met`` says which roster an earlier process of the run followed (its fingerprint): another is taken up only if it
    goes on from that one.
    """

    lineage: str
    stretch: int
    met: str = ""
    book: RosterBook | None = None
    certificates: dict[int, dict[str, SealingCertificate]] = field(default_factory=lambda: defaultdict(dict))
    known: dict[int, _Known] = field(default_factory=dict)
    stale: set[int] = field(default_factory=set)  # nodes whose answer may have changed
    invited: dict[tuple[str, int], frozenset[str]] = field(default_factory=dict)
    replaced: set[tuple[int, str]] = field(default_factory=set)  # (stretch, member): it lost the key that it had named
    used: set[tuple[int, str]] = field(default_factory=set)  # (stretch, name) of the updates that were accepted

    @property
    def roster(self) -> Roster:
        """The one in force.

        Raises
        ------
        RosterError
            none is known yet.
        """
        if self.book is None:
            raise RosterError("no roster is known yet: no node has answered what it follows")
        return self.book.roster

    def number(self, version: int) -> int:
        """The stretch that an update trained from ``version`` is sealed in."""
        return stretch_of(version, self.stretch)

    def take(self, node: int, said: Membership) -> None:
        """A node's answer.

        Raises
        ------
        RosterError, SpellingError
            it is no roster that all its hospitals signed, or does not hold together with the keys that came with it.
        """
        self.known.pop(node, None)  # what it said before holds no more
        same = (known.book for known in self.known.values() if known.data == said.roster)  # most nodes send the same
        book = next(same, None) or RosterBook.from_bytes(said.roster)
        key = said.public_key.hex()
        if not verified(key, said.signature, said.signed_bytes()):
            raise RosterError(f"what {key[:16]} says is not signed by it: it was changed on its way or made up")
        name = book.roster.name_of(key)
        if self.met and not book.has(self.met):
            raise RosterError(
                f"roster {book.roster.fingerprint[:16]} (revision {book.roster.revision}) does not go on from "
                f"{self.met[:16]}, which this run follows: this hospital must point roster-path at the newest file "
                "that all have signed"
            )
        certificates = read_certificates(said.certificates)
        for certificate in certificates:
            certificate.check(book.roster, name, self.lineage, certificate.stretch)
        self.known[node] = _Known(said.roster, book, name)
        self.stale.discard(node)
        for certificate in certificates:
            before = self.certificates[certificate.stretch].get(name, certificate)
            if before.key != certificate.key:
                self.replaced.add((certificate.stretch, name))
            self.certificates[certificate.stretch][name] = certificate

    def forget(self, node: int) -> None:
        """A node has left: it is asked again when it reconnects."""
        self.known.pop(node, None)

    def doubt(self, node: int) -> None:
        """Ask a node again: it said that it follows another roster, or a new stretch has begun."""
        self.stale.add(node)

    def to_be_asked(self, node: int) -> bool:
        """Whether a node's answer is missing or may have changed."""
        return node not in self.known or node in self.stale

    def lags(self, node: int) -> bool:
        """Whether a node follows another roster than the one in force: its hospital may update it at any time."""
        return self.book is not None and node in self.known and not self.invites(node)

    def choose(self, asking: bool) -> CommitteeMet | None:
        """Adopt the roster that most nodes follow, or a later revision of it; the event, if that is a change.

        The first one is adopted once no node is ``asking`` any more; a later revision once a node follows it, if more
        than half of the hospitals of the one in force signed it, since a few hospitals can sign any revision.
        """
        books = {known.book.roster.fingerprint: known.book for known in self.known.values()}
        if self.book is None:
            if asking or not books:
                return None
            votes = Counter(known.book.roster.fingerprint for known in self.known.values())
            chosen = books[max(votes, key=lambda fingerprint: (votes[fingerprint], fingerprint))]
        else:
            chosen = self.book
        for book in books.values():
            if book.roster.revision > chosen.roster.revision and chosen.roster in book.revisions:
                now = set(chosen.roster.hospitals.items())
                if 2 * len(now & set(book.roster.hospitals.items())) > len(now):
                    chosen = book
        if self.book is not None and chosen.roster.fingerprint == self.book.roster.fingerprint:
            return None
        self.book, self.met = chosen, chosen.roster.fingerprint
        roster = chosen.roster
        return CommitteeMet(
            roster=roster.fingerprint,
            revision=roster.revision,
            members=tuple(sorted(roster.committee)),
            threshold=roster.threshold,
            quorum=roster.quorum,
            openers=roster.openers,
        )

    def at(self, member: str) -> int | None:
        """The node of a hospital that follows the roster in force, the one that answered last; None without one."""
        if self.book is None:
            return None
        nodes = [
            node
            for node, known in self.known.items()
            if known.name == member and known.book.roster.fingerprint == self.book.roster.fingerprint
        ]
        return nodes[-1] if nodes else None

    def missing(self, version: int) -> list[str]:
        """Members whose sealing keys of the stretch of ``version`` are not known."""
        return sorted(set(self.roster.committee) - set(self.keys(self.number(version))))

    def invites(self, node: int) -> bool:
        """Whether a node follows the roster in force: another's updates could not be opened."""
        known = self.known.get(node)
        return known is not None and self.book is not None and known.book.roster == self.book.roster

    def renew(self, version: int) -> None:
        """Version ``version`` is made: where a stretch begins with it, members are asked for their next keys.

        What is known of closed stretches is forgotten.
        """
        if self.book is not None and version and version % self.stretch == 0:
            self.stale |= {node for node, known in self.known.items() if known.name in self.roster.committee}
            oldest = self.number(version) - 1  # that is still opened
            self.used = {update for update in self.used if update[0] >= oldest}
            self.replaced = {key for key in self.replaced if key[0] >= oldest}
            self.invited = {key: names for key, names in self.invited.items() if key[1] >= oldest}
            for number in [number for number in self.certificates if number < oldest]:
                del self.certificates[number]

    def keys(self, number: int) -> dict[str, SealingCertificate]:
        """The members' sealing keys of a stretch, under the roster in force."""
        roster, out = self.roster, {}
        for name in sorted(roster.committee):
            if (certificate := self.certificates[number].get(name)) is not None:
                try:
                    certificate.check(roster, name, self.lineage, number)
                except RosterError:
                    continue  # of an earlier identity: its node is asked again
                out[name] = certificate
        return out

    def ready(self, version: int, asking: bool) -> bool:
        """Whether updates can be sealed that the committee will be able to open.

        While nodes are still ``asking``, all members' keys are waited for; later as many may be missing as may
        be absent.
        """
        if self.book is None:
            return False
        return len(self.missing(version)) <= (0 if asking else self.roster.absent)

    def invitation(self, version: int) -> bytes:
        """For a training task from ``version``: whose keys to seal to, the same ones for all of a stretch's updates.

        Were they sealed to different members, too few might hold the seeds of all that are in a version.
        """
        number, roster = self.number(version), self.roster.fingerprint
        keys = self.keys(number)
        members = self.invited.setdefault((roster, number), frozenset(keys))
        return Invitation(roster, number, {name: keys[name] for name in members}).to_bytes()

    def most_weight(self, plan: FieldPlan) -> int:
        """The most that a version's weights may sum to."""
        return weight_limit(plan, self.roster)
