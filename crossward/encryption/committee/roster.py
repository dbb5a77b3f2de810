"""The hospitals' own list: names, identity keys, who is on the committee and how many of it open a version.

A roster is made by the hospitals and signed by every one of them. The aggregator may read it and passes it on, but can
neither add a member nor swap a key. Hospitals compare its fingerprint out of band, and its next revision names the
fingerprint of the one before.

With a committee of J and threshold t, each (J - t)-subset of the committee shares a part of every mask: any t + 1
members have them all, and t members' keys with all that the aggregator stores open nothing. An aggregator that *lies*
can show different members different lists of the same updates, and what they answer adds up to more than one sum. So a
quorum of q members consents to a list before any of them answers, with 2q > J + c against c colluding members: two
quorums share an honest member, and an honest member consents to one list of an update.

Known to both faces: a roster holds no secret.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256

from crossward.encryption.committee.signatures import Sign, canonical, verified

MOST_SUBSETS = 128  # keystreams per update: more would cost more than they protect
Subset = tuple[str, ...]


class RosterError(ValueError):
    """A roster, or a key that its hospitals vouch for, cannot be used; says why."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class Roster:
    """Who takes part.

    Parameters
    ----------
    hospitals : mapping of str to str
        Name -> raw Ed25519 public key, 64 hex digits.
    committee : tuple of str
        J of them.
    threshold : int
        t: any t + 1 members of the committee have all parts of a mask, any t lack one.
    colluders : int (default: 1)
        c: how many members may collude with an aggregator that lies. From 1 to t.
    revision : int (default: 1)
        Counts up with every change.
    previous : str (default: "")
        Fingerprint of the revision before.
    """

    hospitals: Mapping[str, str]
    committee: tuple[str, ...]
    threshold: int
    colluders: int = 1
    revision: int = 1
    previous: str = ""

    def __post_init__(self) -> None:
        keys = list(self.hospitals.values())
        for name, key in self.hospitals.items():
            if not (isinstance(key, str) and len(key) == 64 and set(key) <= set("0123456789abcdef")):
                raise RosterError(f"the identity key of {name} is not 64 lower-case hex digits")
        if len(set(keys)) != len(keys):
            twice = sorted(name for name, key in self.hospitals.items() if keys.count(key) > 1)
            raise RosterError(f"{', '.join(twice)} have the same identity key: each hospital needs its own")
        if unknown := sorted(set(self.committee) - set(self.hospitals)):
            raise RosterError(f"the committee lists {', '.join(unknown)}, who are not in the roster: add them to it")
        size, t = len(self.committee), self.threshold
        if len(set(self.committee)) != size:
            raise RosterError("the committee lists a hospital twice")
        if not 1 <= self.colluders <= t < size:
            raise RosterError(
                f"a committee of {size} with threshold {t} against {self.colluders} colluding members: expected a "
                f"threshold below {size} and from 1 to as many colluding members"
            )
        if math.comb(size, t) > MOST_SUBSETS:
            raise RosterError(
                f"a committee of {size} with threshold {t} has {math.comb(size, t)} subsets (at most {MOST_SUBSETS}): "
                "use a smaller one"
            )

    @cached_property
    def canonical(self) -> bytes:
        """What every hospital signs."""
        return canonical("roster", asdict(self) | {"hospitals": dict(self.hospitals)})

    @cached_property
    def fingerprint(self) -> str:
        """64 hex digits; hospitals compare them out of band."""
        return sha256(self.canonical).hexdigest()

    @cached_property
    def subsets(self) -> tuple[Subset, ...]:
        """All (J - t)-subsets of the committee; a part of each mask belongs to each."""
        return tuple(itertools.combinations(sorted(self.committee), len(self.committee) - self.threshold))

    def held(self, member: str) -> tuple[int, ...]:
        """Which subsets ``member`` is in, by number."""
        return tuple(number for number, subset in enumerate(self.subsets) if member in subset)

    @cached_property
    def carriers(self) -> tuple[int, ...]:
        """The subsets that add a dither: any group of :attr:`colluders` members lacks at least one of them whole."""
        members, out = sorted(self.committee), []
        exposed = set(itertools.combinations(members, self.colluders))
        while exposed:
            hidden = [{group for group in exposed if not set(group) & set(subset)} for subset in self.subsets]
            best = max(range(len(hidden)), key=lambda number: (len(hidden[number]), -number))
            out.append(best)
            exposed -= hidden[best]
        return tuple(sorted(out))

    @property
    def openers(self) -> int:
        """t + 1: how many members' answers open a sum."""
        return self.threshold + 1

    @property
    def quorum(self) -> int:
        """q: how many members consent to a list before any answers; any two quorums share an honest one."""
        return (len(self.committee) + self.colluders) // 2 + 1

    @property
    def absent(self) -> int:
        """How many members may be absent."""
        return len(self.committee) - max(self.quorum, self.openers)

    def identity(self, name: str) -> str:
        """The identity key of a hospital.

        Raises
        ------
        RosterError
            it is not in the roster.
        """
        if name not in self.hospitals:
            raise RosterError(f"{name!r} is not in roster {self.fingerprint[:16]} (revision {self.revision})")
        return self.hospitals[name]


@dataclass(frozen=True)
class SignedRoster:
    """A roster and its hospitals' signatures: name -> Ed25519 signature over ``roster.canonical``."""

    roster: Roster
    signatures: Mapping[str, bytes]

    def signed(self, name: str, sign: Sign) -> SignedRoster:
        """With the signature of ``name``, made by ``sign`` (``Ed25519PrivateKey.sign``)."""
        return SignedRoster(self.roster, {**self.signatures, name: sign(self.roster.canonical)})

    def check(self, before: Roster | None = None) -> Roster:
        """The roster, when every hospital in it has signed it and it follows ``before``, the last one accepted.

        Raises
        ------
        RosterError
            naming who has not signed, or what does not follow.
        """
        roster = self.roster
        wrong = [
            name
            for name, key in roster.hospitals.items()
            if not verified(key, self.signatures.get(name, b""), roster.canonical)
        ]
        if wrong:
            raise RosterError(
                f"roster {roster.fingerprint[:16]} is not signed by {', '.join(sorted(wrong))}: every hospital in it "
                "must sign these very bytes"
            )
        same = before is not None and before.fingerprint == roster.fingerprint
        if (
            before is not None
            and not same
            and (roster.revision, roster.previous)
            != (
                before.revision + 1,
                before.fingerprint,
            )
        ):
            raise RosterError(
                f"roster revision {roster.revision} does not follow revision {before.revision} "
                f"({before.fingerprint[:16]}), the last one accepted here"
            )
        return roster

    def to_bytes(self) -> bytes:
        """As a JSON file."""
        facts = {"roster": asdict(self.roster) | {"hospitals": dict(self.roster.hospitals)}}
        signatures = {name: data.hex() for name, data in self.signatures.items()}
        return json.dumps({"format": _FORMAT, **facts, "signatures": signatures}, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> SignedRoster:
        """Undo :meth:`to_bytes`; signatures are not checked yet.

        Raises
        ------
        RosterError
            the bytes are no roster.
        """
        try:
            read = json.loads(data)
            if read.pop("format") != _FORMAT or set(read) != {"roster", "signatures"}:
                raise RosterError(f"not a roster: expected a JSON file of format {_FORMAT}")
            facts = read["roster"]
            roster = Roster(**facts | {"committee": tuple(facts["committee"])})
            if not all(type(value) is int for value in (roster.threshold, roster.colluders, roster.revision)):
                raise RosterError("not a roster: threshold, colluders and revision are whole numbers")
            return cls(roster, {name: bytes.fromhex(text) for name, text in read["signatures"].items()})
        except RosterError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise RosterError(f"not a roster: expected a JSON file of format {_FORMAT}") from None


_FORMAT = "crossward-roster/1"


@dataclass(frozen=True)
class SealingCertificate:
    """A member's public sealing key for one stretch of a lineage's versions, signed by its identity key."""

    member: str
    lineage: str
    stretch: int
    key: bytes
    signature: bytes = b""

    @property
    def canonical(self) -> bytes:
        """What the member signs."""
        return canonical("sealing key", self.member, self.lineage, self.stretch, self.key.hex())

    def check(self, roster: Roster, member: str, lineage: str, stretch: int) -> None:
        """Refuse a certificate that is not that of ``member``, a member of the committee, for this stretch.

        Raises
        ------
        RosterError
            saying what does not fit.
        """
        where = f"the sealing key of {member}"
        if member not in roster.committee:
            raise RosterError(f"{where}: {member} is not on the committee of roster {roster.fingerprint[:16]}")
        if (self.member, self.lineage, self.stretch) != (member, lineage, stretch):
            raise RosterError(f"{where} is for another member, lineage or stretch than {stretch} of {lineage}")
        if not verified(roster.identity(member), self.signature, self.canonical):
            raise RosterError(f"{where} is not signed by its identity key: it was swapped or changed on its way")
