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
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256

from crossward.encryption.committee.signatures import canonical, verified
from crossward.machine.text import one_line

FEWEST = 3  # hospitals: of two, each knows the other's update by subtracting its own
COMMITTEE = 4  # members by default, so that one may be absent
MOST_OF_NAME = 64  # characters of a hospital's name
NAME = f"expected 1 to {MOST_OF_NAME} printable characters without spaces around them"
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
        for name, key in self.hospitals.items():
            if not (0 < len(name) <= MOST_OF_NAME and name.isprintable() and name == name.strip()):
                raise RosterError(f"{one_line(name, MOST_OF_NAME)!r} is not a hospital's name: {NAME}")
            if not (isinstance(key, str) and len(key) == 64 and set(key) <= set("0123456789abcdef")):
                raise RosterError(f"the identity key of {name} is not 64 lower-case hex digits")
        keys = Counter(self.hospitals.values())
        if twice := sorted(name for name, key in self.hospitals.items() if keys[key] > 1):
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
        if size > MOST_SUBSETS or math.comb(size, t) > MOST_SUBSETS:
            raise RosterError(
                f"a committee of {size} with threshold {t} has too many subsets (at most {MOST_SUBSETS}): use a smaller"
                " one"
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

    def name_of(self, key: str) -> str:
        """The name of the hospital whose identity key is ``key``, 64 hex digits.

        Raises
        ------
        RosterError
            no hospital has it.
        """
        for name, known in self.hospitals.items():
            if known == key:
                return name
        raise RosterError(
            f"no hospital in roster {self.fingerprint[:16]} (revision {self.revision}) has the identity key {key}: "
            "`crossward members add` makes a revision with it"
        )


def stretch_of(version: int, length: int) -> int:
    """The number of the stretch in which updates trained from ``version`` are sealed, of ``length`` versions each."""
    return 1 + version // length


def check_count(hospitals: Collection[str]) -> None:
    """Refuse fewer than three hospitals with a RosterError that names the scheme for them."""
    if len(hospitals) < FEWEST:
        raise RosterError(
            f"{len(hospitals)} hospitals: encryption.scheme = 'committee' takes {FEWEST} or more; with fewer, set "
            "encryption.scheme = 'bfv'"
        )


def default_committee(names: Iterable[str], members: Iterable[str] = (), size: int = COMMITTEE) -> tuple[str, ...]:
    """The first four of ``names``, or all of fewer. ``members`` who are among them stay on it, others fill it up.

    Raises
    ------
    RosterError
        fewer than three hospitals.
    """
    names = list(names)
    check_count(names)
    stay = [name for name in members if name in names]
    return (*stay, *[name for name in names if name not in stay])[: max(size, len(stay))]


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
