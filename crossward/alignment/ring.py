"""What the parties of an alignment agree on before it starts: who takes part, in which order sets travel, their sizes.

The set of a party is blinded by it, then raised by every other party, the label holder last. The label holder's own
set comes back to it from the last of the others. So each of P sets is raised P times and compared at one place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from crossward.alignment.errors import AlignmentError

BATCH = 65_536  # points of a message: 2 MiB
MOST = 2_000_000  # points of a set


@dataclass(frozen=True)
class Ring:
    """The parties of one alignment.

    Parameters
    ----------
    lineage : str
        The run's: what belongs to another run is refused.
    parties : tuple of str
        Two or more different names, in the order in which sets travel.
    label_holder : str
        The one of them that compares.
    cardinality : bool (default: False)
        Whether only the number of common patients comes out: every party reorders what it raises, so that the label
        holder cannot map a common point to a patient of anyone's, its own included.
    most : int (default: 2,000,000)
        Points that a set may have: a party that declares more is refused.
    batch : int (default: 65,536)
        Points of a message.
    """

    lineage: str
    parties: tuple[str, ...]
    label_holder: str
    cardinality: bool = False
    most: int = MOST
    batch: int = BATCH

    def __post_init__(self) -> None:
        if len(self.parties) < 2 or len(set(self.parties)) != len(self.parties):
            raise AlignmentError(f"an alignment of {', '.join(self.parties) or 'nobody'}: expected two different names")
        if self.label_holder not in self.parties:
            raise AlignmentError(f"the label holder {self.label_holder} is none of {', '.join(self.parties)}")
        if not (1 <= self.most < 2**31 and self.batch >= 1):
            raise AlignmentError(f"at most {self.most} points in batches of {self.batch}: expected 1 to 2,147,483,647")

    def number(self, party: str) -> int:
        """Place of ``party`` in the ring, from 0.

        Raises
        ------
        AlignmentError
            it takes no part.
        """
        if party not in self.parties:
            raise AlignmentError(f"{party!r} takes no part in this alignment of {', '.join(self.parties)}")
        return self.parties.index(party)

    def route(self, origin: str) -> tuple[str, ...]:
        """Who has the set of ``origin`` in turn, the label holder last; its own set ends where it began."""
        at = self.number(origin)
        around = (*self.parties[at + 1 :], *self.parties[:at])
        others = tuple(party for party in around if party != self.label_holder)
        return (origin, *others, self.label_holder)

    def next(self, origin: str, party: str) -> str | None:
        """To whom ``party`` sends the set of ``origin`` once it has raised it; None where it is compared."""
        self.number(party)
        route = self.route(origin)
        at = route.index(party)
        return route[at + 1] if at + 1 < len(route) else None

    def sender(self, origin: str, party: str) -> str:
        """From whom ``party`` receives the set of ``origin``."""
        return self.route(origin)[self.hop(origin, party) - 1]

    def hop(self, origin: str, party: str) -> int:
        """How many have raised the set of ``origin`` when ``party`` receives it: 1 to the number of parties."""
        self.number(party)
        route = self.route(origin)
        at = len(route) - 1 - route[::-1].index(party)
        if not at:
            raise AlignmentError(f"{origin} does not receive its own set: the label holder alone does")
        return at

    def batches(self, size: int) -> int:
        """Messages that a set of ``size`` points takes."""
        return -(-size // self.batch)


@dataclass(frozen=True)
class Declared:
    """What a party declares to all the others of its blinded set, before any of it travels.

    Parameters
    ----------
    origin : str
        Whose it is.
    size : int
        Points, with decoys and padding.
    digest : str
        Of the set (:meth:`crossward.alignment.sets.PointSet.digest`): another set is refused later.
    rules : str
        Fingerprint of its :class:`~crossward.alignment.identifiers.Normalisation`.
    pepper : str
        What the pepper makes of the lineage: the same at all parties, and says nothing of a random pepper.
    """

    origin: str
    size: int
    digest: str
    rules: str
    pepper: str

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def decode(cls, data: bytes) -> Declared:
        """What :meth:`encode` made.

        Raises
        ------
        AlignmentError
            it is something else.
        """
        return cls(**checked(data, {field.name: int if field.name == "size" else str for field in fields(cls)}))


def checked(data: bytes, types: Mapping[str, type]) -> dict[str, Any]:
    """A JSON object with exactly the names of ``types`` and values of these types; or an :class:`AlignmentError`."""
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict) or {name: type(value) for name, value in found.items()} != types:
        raise AlignmentError(f"a message of an alignment lacks one of {', '.join(types)}, or one is of another type")
    return found


def agreed(ring: Ring, declared: Iterable[Declared]) -> dict[str, Declared]:
    """The declarations of all parties by name, which every party checks before it raises anything.

    Raises
    ------
    AlignmentError
        a party is missing or is there twice, a set is larger than ``ring.most`` or empty, or parties have another
        pepper or other rules.
    """
    found: dict[str, Declared] = {}
    for one in declared:
        ring.number(one.origin)
        if one.origin in found:
            raise AlignmentError(f"{one.origin} declared its identifiers twice")
        if not 1 <= one.size <= ring.most:
            raise AlignmentError(
                f"{one.origin} declares {one.size:,} identifiers: expected 1 to {ring.most:,}, which the parties "
                "agreed on as the most"
            )
        found[one.origin] = one
    if missing := [party for party in ring.parties if party not in found]:
        raise AlignmentError(f"no declaration of identifiers from {', '.join(missing)}")
    holder = found[ring.label_holder]
    for name, what in (("pepper", "pepper"), ("rules", "rules of normalisation")):
        if other := [one.origin for one in found.values() if getattr(one, name) != getattr(holder, name)]:
            raise AlignmentError(
                f"{', '.join(other)} and {ring.label_holder} have different {what}: identifiers would not compare, so "
                "give all parties the same"
            )
    return found
