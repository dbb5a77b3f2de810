"""From what victims lost to a figure: gain over the guess, its interval, and whether it is nothing.

Not for: attacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from research.attacks.scores import Score
from research.attacks.statistics import equivalent, mean_interval

Floats = NDArray[np.float64]

ABSTAINED = "guessed, as the update did not help on shadows held back"


@dataclass(frozen=True)
class Gains:
    """Per victim what an attack reached and what the guess reaches, float64 [n].

    Where the attack abstained (the update did not help on shadows held back, so it guessed), ``made`` is what it
    reaches when it is made to use the update all the same: a choice to guess shows nothing about the update.
    """

    values: Floats
    guesses: Floats
    made: Floats | None = None

    @property
    def tested(self) -> Floats:
        """Gains that intervals and verdicts are made of."""
        return (self.values if self.made is None else self.made) - self.guesses

    @property
    def gain(self) -> float:
        """Mean gain over the guess."""
        return float((self.values - self.guesses).mean())

    @property
    def leakage(self) -> float:
        """(value - guess) / (1 - guess) of the means, at least 0: 0 nothing beyond guessing, 1 everything."""
        return rescaled(float(self.values.mean()), float(self.guesses.mean()))


def rescaled(value: float, guess: float) -> float:
    """How much of what guessing leaves open was found, 0 to 1."""
    return float(np.clip((value - guess) / max(1.0 - guess, 1e-9), 0.0, 1.0))


def gains(values: Sequence[float] | Floats, guesses: Sequence[float] | Floats | float) -> Gains:
    """Of sequences, one entry a victim; a single guess counts for all."""
    found = np.asarray(values, dtype=np.float64)
    return Gains(found, np.broadcast_to(np.asarray(guesses, dtype=np.float64), found.shape).copy())


def believable(apart: Floats) -> bool:
    """Whether a mean gain over held-out shadows is above its own standard error: what an attacker would act on."""
    return bool(len(apart) > 1 and apart.mean() > apart.std(ddof=1) / np.sqrt(len(apart)))


def score(
    attack: str,
    view: str,
    method: str,
    setting: str,
    metric: str,
    found: Gains,
    rng: np.random.Generator,
    margin: float | None = None,
    note: str = "",
) -> Score:
    """The finding in the suite's form; ``margin`` asks for the equivalence test."""
    apart = found.tested
    low, high = mean_interval(apart, 0.95, rng)
    if found.made is not None:
        made = float(apart.mean())
        note = "; ".join(filter(None, (note, f"{ABSTAINED}; made to use it, it gains {made:+.3f}")))
        low, high = min(low, found.gain), max(high, found.gain)
    return Score(
        attack,
        view,
        method,
        setting,
        metric,
        float(found.values.mean()),
        float(found.guesses.mean()),
        found.gain,
        low,
        high,
        len(apart),
        margin,
        None if margin is None else equivalent(apart, margin),
        note,
    )
