"""What is measured and how much of it: how victims train, and how many there are.

Not for: doing it (``research.attacks.laboratory``).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

AUXILIARY, SHADOW, VICTIM = "auxiliary", "shadow", "victim"


@dataclass(frozen=True)
class Setting:
    """How a victim trains.

    ``steps`` of ``batch`` sequences of up to ``tokens`` tokens. ``adam``: by ``LoraLearner``, else one SGD step on one
    note that is cut so that it has at most ``distinct`` different tokens (0 = as many as it has). ``heads``: whether
    notes carry their patients' identifiers. ``value_bits``: how finely updates are rounded before they are sent;
    ``fitted``: to the largest of the update's own values instead of the run's public range, which no run does: it
    leaves the attacker most.
    """

    name: str
    steps: int
    batch: int
    tokens: int
    adam: bool
    distinct: int = 0
    heads: bool = True
    value_bits: int = 8
    fitted: bool = False


WORST = Setting("worst case", 1, 1, 128, adam=False, distinct=24, heads=False, value_bits=24, fitted=True)
WORST_HEAD = Setting("worst case, identifiers", 1, 1, 64, adam=False, value_bits=24, fitted=True)
REAL = Setting("real setting", 10, 4, 256, adam=True)


@dataclass(frozen=True)
class Size:
    """How much is measured. ``patients`` are made up in all; shadows and victims are counted per setting."""

    patients: int = 2400
    hospitals: int = 4
    warm_steps: int = 30
    worst_shadows: int = 90
    worst_victims: int = 160
    shadows: int = 42
    victims: int = 40
    real: Setting = REAL
    worst: Setting = WORST
    distinct: tuple[int, ...] = (8, 16, 24, 32, 48, 64, 96)  # of the sweep over distinct tokens
    sweep: int = 16  # victims a point of the sweep
    choices: int = 8  # of a forced choice between identifiers, the true one among them
    spans: int = 36  # identifiers asked for a victim, at most
    profile_tokens: int = 30000
    fractions: tuple[float, ...] = (0.0, 0.3, 0.6, 0.75, 0.9, 1.0)
    memory: str = "full"  # size of what membership inference and canaries attack
    versions: tuple[int, int] = (24, 8)  # of two runs whose sums are separated, with two and with three unknown terms
    every: int = 1  # one of so many blocks is separated
    run: tuple[tuple[str, Any], ...] = ()  # run config of those runs where it is not the app's default


FULL = Size()
QUICK = Size(
    patients=600,
    worst_shadows=48,
    worst_victims=24,
    shadows=20,
    victims=12,
    real=dataclasses.replace(REAL, name="real setting, short", tokens=64),
    distinct=(8, 24, 32, 64),
    sweep=8,
    spans=18,
    profile_tokens=8000,
    fractions=(0.0, 0.3, 0.6, 0.9, 1.0),
    memory="quick",
    versions=(2, 2),
    every=14,
)
