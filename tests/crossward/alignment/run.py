"""A whole alignment in one process, for tests: every party with its folder, messages handed over as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crossward.alignment import Aligned, Declared, Given, Normalisation, Party, Receipt, Ring
from crossward.alignment.messages import Batch
from crossward.alignment.points import POINT_BYTES, keyed
from crossward.alignment.sets import POINT, PointSet

PEPPER = bytes(range(32))
RULES = Normalisation(prefixes=("MRN",))
NAMES = ("heart", "vitals", "laboratory", "insurer")
WAYS = ("{}", "MRN-{:06}", "mrn {:04}", " {:03}")  # in which each party writes the same identifier


def ring_of(count: int, holder: int = 0, *, cardinality: bool = False, most: int = 100, lineage: str = "run-1") -> Ring:
    names = NAMES[:count]
    return Ring(lineage, names, names[holder % count], cardinality, most, batch=4)


def given_of(*sets: set[int], padding: int = 1) -> dict[str, Given]:
    """What each party puts in: patients by number, in ascending order."""
    return {
        name: Given(tuple(way.format(n) for n in sorted(numbers)), PEPPER, RULES, padding=padding)
        for name, way, numbers in zip(NAMES, WAYS, sets, strict=False)
    }


def parties(folder: Path, ring: Ring) -> dict[str, Party]:
    return {name: Party(folder / name, ring, name, threads=1) for name in ring.parties}


def declare(sides: Mapping[str, Party], given: Mapping[str, Given]) -> None:
    """Every party blinds its set and checks what all declare."""
    declared = [Declared.decode(side.prepare(given[name]).encode()) for name, side in sides.items()]
    for side in sides.values():
        side.agree(declared)


def carry(sides: Mapping[str, Party], ring: Ring, origin: str) -> list[Receipt]:
    """The set of ``origin`` along its route; what the parties that raise it report."""
    receipts, sender = [], origin
    for name in ring.route(origin)[1:]:
        arrived = [sides[name].receive(message) for message in sides[sender].messages(origin)]
        assert arrived[-1] == origin and not any(arrived[:-1])
        if name != origin:
            receipts.append(Receipt.decode(sides[name].raise_set(origin).encode()))
        sender = name
    return receipts


def exchange(sides: Mapping[str, Party], ring: Ring, given: Mapping[str, Given]) -> list[Receipt]:
    """Everything up to the comparison; all receipts."""
    declare(sides, given)
    return [receipt for origin in ring.parties for receipt in carry(sides, ring, origin)]


def align(folder: Path, ring: Ring, given: Mapping[str, Given]) -> dict[str, Aligned]:
    """All of it; what every party gets."""
    sides = parties(folder, ring)
    positions = sides[ring.label_holder].compare(exchange(sides, ring, given))
    return {name: side.accept(given[name], positions[name]) for name, side in sides.items()}


def forged(folder: Path, origin: str, points: bytes, lineage: str = "run-1") -> tuple[Declared, list[bytes]]:
    """What a dishonest ``origin`` declares and sends for points of its choice."""
    one = PointSet(folder, len(points) // POINT_BYTES, 4)
    one.write_all(np.frombuffer(points, POINT))
    digest = one.digest(lineage, origin, 1)
    pepper = keyed(PEPPER, b"same pepper", lineage)[:32].hex()
    messages = [Batch(lineage, origin, 1, n, one.size, digest, data).encode() for n, data in enumerate(one.all())]
    return Declared(origin, one.size, digest, RULES.fingerprint(), pepper), messages
