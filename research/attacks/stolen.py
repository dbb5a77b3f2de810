"""What the aggregator makes of an update that was sealed to a committee when it holds keys of some of its members.

An update's mask is a keystream for every subset of the committee; a member's sealing key opens the seeds of those that
it is in. So all of these keystreams are taken off. With more than t members' keys nothing is left of the mask; with t
or fewer the keystream of a subset that has none of them.

Not for: what is then recovered of notes (``research.attacks.coalition``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from crossward.encryption.committee.boxes import SealingKey
from crossward.encryption.committee.fields import unpack
from crossward.encryption.committee.hospital import seal_update
from crossward.encryption.committee.masks import open_seeds
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.roster_file import make_book
from crossward.encryption.committee.spelling import SealedFacts
from crossward.encryption.committee.stretch import Stretch
from crossward.encryption.keystream import add_keystream
from crossward.encryption.packing import Buffer
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret

Ints = NDArray[np.int64]
Keys = Mapping[str, Mapping[int, SealingKey]]  # member -> stretch -> its private key
LINEAGE = "attacked"


def keys_on(folder: Path, lineage: str) -> dict[int, SealingKey]:
    """The sealing keys that are still in a member's folder, by stretch."""
    numbers = sorted(int(path.stem) for path in folder.glob("*.key"))
    return {number: Stretch.load(folder, lineage, number).key for number in numbers}


def unmasked(roster: Roster, keys: Keys, facts: SealedFacts, blocks: Sequence[Buffer], counts: Sequence[int]) -> Ints:
    """An update less every keystream that ``keys`` open, as values around 0, int64 [total].

    Its true values where nothing of the mask is left; else numbers of b bits.
    """
    statement, known = facts.statement, dict[int, bytes]()
    for member, of_stretch in keys.items():
        if member in facts.boxes and statement.stretch in of_stretch:
            seeds = open_seeds(of_stretch[statement.stretch], roster, member, statement, facts.boxes[member])
            known |= {subset: seeds.mask_key(subset) for subset in seeds.held}
    bits, out, first = statement.plan.field_bits, [], 0
    for block, count in zip(blocks, counts, strict=True):
        fields = unpack(block, bits, count)
        mask = np.zeros_like(fields)
        for key in known.values():
            add_keystream(mask, key, first)
        out.append((fields - mask).astype(np.int64))
        first += count
    half = 1 << (bits - 1)
    values = np.concatenate(out) - statement.plan.q_max + half
    return np.asarray(values % (1 << bits) - half, dtype=np.int64)


class Stolen:
    """A committee of four hospitals, threshold 1; of so many ``members`` the keys were copied."""

    def __init__(self, plan: FieldPlan, members: int) -> None:
        self.plan, self.secret = plan, Secret.generate().committee_key()
        identities = {f"hospital-{number}": Ed25519PrivateKey.generate() for number in range(5)}
        self.signer, self.sign = "hospital-4", identities["hospital-4"].sign  # on no committee
        self.roster = make_book(identities, list(identities)[:4]).roster
        with TemporaryDirectory() as place:
            made = {m: Stretch.create(Path(place) / m, LINEAGE, 1) for m in self.roster.committee}
        self.certificates = {m: stretch.certificate(m, identities[m].sign) for m, stretch in made.items()}
        self.keys = {m: {1: made[m].key} for m in sorted(made)[:members]}

    def left(self, values: Ints) -> Ints:
        """What is left of an update of ``values``, int64 [total], sealed for itself: see :func:`unmasked`."""
        given = self.roster, LINEAGE, 1, self.signer, self.sign, self.certificates, self.plan, self.secret
        update = seal_update(*given, [values])
        facts = SealedFacts(update.statement, update.boxes)
        return unmasked(self.roster, self.keys, facts, update.blocks, [values.size])
