"""Membership by intersection: is a person a patient of the other party? Alignment's own answer, and what softens it.

The attacker is a party that puts people of its choice into its set. Real alignments, by ``crossward.alignment``.

Not for: whether identifiers of others can be read out of an alignment's messages (its own tests).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from crossward.alignment import Given, Party, Receipt, Ring
from research.attacks.scores import PARTY, Score
from research.attacks.vertical.consortium import Consortium
from research.attacks.vertical.scoring import control, ranked

VICTIM, ATTACKER = "laboratory", "heart"
DECOYS = 1.0  # as many as the victim has patients of those asked for
_PEPPER = bytes(range(32))


def run(lab: Consortium, say: Callable[[str], None]) -> list[Score]:
    """All scores of membership."""
    rng, size = lab.rng("intersection"), lab.size
    people = [f"P{i:06d}" for i in rng.permutation(2 * (size.set_size + size.targets))]
    asked = people[: size.targets]
    inside = asked[: size.targets // 2]
    patients = [*inside, *people[size.targets : size.targets + size.set_size]]
    labels = np.isin(asked, inside).astype(np.float64)
    guess = np.zeros(len(asked))
    outside = [person for person in asked if person not in inside]
    decoys = outside[: round(DECOYS * len(outside) / 2)]
    say("alignment")
    found = np.isin(asked, common(patients, asked)).astype(np.float64)
    softened = np.isin(asked, common(patients, asked, decoys)).astype(np.float64)
    say("cardinality")
    size_alone = np.full(len(asked), float(cardinality(patients, asked)))
    few = asked[:: max(1, len(asked) // 6)]
    differences = np.array([float(cardinality(patients, [person])) for person in few])
    of_few = np.isin(few, inside).astype(np.float64)
    name, metric = "membership by intersection", "AUC"
    return [
        ranked(name, PARTY, "alignment", metric, found, labels, guess, control(0.99)),
        ranked(name, PARTY, "alignment, decoys for half of those outside", metric, softened, labels, guess),
        ranked(name, PARTY, "cardinality only, one query", metric, size_alone, labels, guess),
        ranked(name, PARTY, "cardinality only, one person a query", metric, differences, of_few, np.zeros(len(few))),
    ]


def common(victim: Sequence[str], attacker: Sequence[str], decoys: Iterable[str] = ()) -> list[str]:
    """The attacker's people that an alignment says are common."""
    given = {ATTACKER: Given(tuple(attacker), _PEPPER), VICTIM: Given(tuple(victim), _PEPPER, decoys=tuple(decoys))}
    with tempfile.TemporaryDirectory(prefix="crossward-attack-") as folder:
        sides, receipts = _exchanged(Path(folder), Ring("attack", (ATTACKER, VICTIM), ATTACKER), given)
        aligned = sides[ATTACKER].accept(given[ATTACKER], sides[ATTACKER].compare(receipts)[ATTACKER])
        return [attacker[row] for row in aligned.rows]


def cardinality(victim: Sequence[str], attacker: Sequence[str]) -> int:
    """The number of common people, where nothing else comes out."""
    given = {ATTACKER: Given(tuple(attacker), _PEPPER), VICTIM: Given(tuple(victim), _PEPPER)}
    with tempfile.TemporaryDirectory(prefix="crossward-attack-") as folder:
        ring = Ring("attack", (ATTACKER, VICTIM), ATTACKER, cardinality=True)
        sides, receipts = _exchanged(Path(folder), ring, given)
        return sides[ATTACKER].cardinality(receipts)


def _exchanged(folder: Path, ring: Ring, given: dict[str, Given]) -> tuple[dict[str, Party], list[Receipt]]:
    sides = {name: Party(folder / name, ring, name, threads=1) for name in ring.parties}
    declared = [side.prepare(given[name]) for name, side in sides.items()]
    for side in sides.values():
        side.agree(declared)
    receipts = []
    for origin in ring.parties:
        sender = origin
        for name in ring.route(origin)[1:]:
            for message in sides[sender].messages(origin):
                sides[name].receive(message)
            if name != origin:
                receipts.append(sides[name].raise_set(origin))
            sender = name
    return sides, receipts
