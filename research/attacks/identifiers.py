"""Identifiers as a note's head carries them before anybody de-identifies it: a name, a record number, a birth date.

The synthetic hospitals' notes come de-identified, as MIMIC's do. The attacks ask what an update tells about notes that
are not, so every note of the laboratory is given the head of its patient.

Not for: whether a run remembers planted identifiers (``research.attacks.canaries``).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from data.synthetic.words import FAMILY_NAMES

KINDS = ("name", "record number", "birth date")
_LEADS = ("Name: ", "\nMRN: ", "\nDOB: ")


@dataclass(frozen=True)
class Identity:
    """What identifies a patient; ``values`` in the order of :data:`KINDS`."""

    values: tuple[str, str, str]

    @property
    def head(self) -> str:
        """The lines that open each of the patient's notes."""
        return "".join(lead + value for lead, value in zip(_LEADS, self.values, strict=True)) + "\n"

    def before(self, kind: int) -> str:
        """What stands in the head before the value of that kind, the value's own lead included."""
        parts = [lead + value for lead, value in zip(_LEADS, self.values, strict=True)][:kind]
        return "".join(parts) + _LEADS[kind]


def draw(kind: int, rng: random.Random) -> str:
    """One value of a kind, all values equally likely."""
    if kind == 0:
        first, second = rng.sample(FAMILY_NAMES, 2)
        return f"{second}, {first}"
    if kind == 1:
        return f"{rng.randrange(10_000_000):07d}"
    return f"{rng.randrange(1920, 2005)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def identity(patient: str, seed: int) -> Identity:
    """The identity of a patient, a function of its id and ``seed``."""
    rng = random.Random(f"{seed}|{patient}")
    return Identity((draw(0, rng), draw(1, rng), draw(2, rng)))


def decoys(identity: Identity, kind: int, count: int, rng: random.Random) -> tuple[str, ...]:
    """``count`` other values of a kind, drawn as the true one was, all different."""
    out: list[str] = []
    while len(out) < count:
        value = draw(kind, rng)
        if value != identity.values[kind] and value not in out:
            out.append(value)
    return tuple(out)
