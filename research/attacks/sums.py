"""What a version's sum reveals to one of its members about the others' single updates.

A member of a version of K contributors subtracts its own n q and holds the others' weighted sum. In exact integers that
is a knapsack: with two unknown 8-bit values and unequal weights it has a handful of solutions. Attacked are the first
versions of real runs of the app's default settings, by every member in turn, with two unknown contributors (a buffer of
3) and three (of 4); with the others' weights known or inferred; with the version's dither and without.

What remains with the dither is compared, on the same sums, with two views of a sum in real numbers: *rounded* to a
quantisation step, which says as much as its own noise leaves, and *unrounded*, the sum of real values that would round
to these integers. Equal weights, where no dither is needed, and weights that differ by one stand beside.

Not for: attacks on the notes behind an opened sum (``research.attacks.aggregate``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from research.attacks.integers import run as run_of
from research.attacks.laboratory import Laboratory
from research.attacks.margins import BITS, EXACT
from research.attacks.members import (
    ALIKE,
    APART,
    ROUNDED,
    UNROUNDED,
    Found,
    cases,
    name_of,
    other_weights,
    views,
    weights_right,
)
from research.attacks.scores import INFERRED, KNOWN, MEMBER, SEPARATION, Score, Separation
from research.attacks.separation import Floats
from research.attacks.statistics import equivalent, mean_interval, share_interval
from research.compare.memory import Memory

Say = Callable[[str], None]
OTHERWISE = "separation, other weights"
BESIDE = "separation, beside a sum in real numbers"


class Table:
    """Scores of views, by version: a version is what intervals count, since its members attack the same updates.

    ``found`` has the views of each member of each version.
    """

    def __init__(self, unknown: int, found: Sequence[Sequence[Mapping[str, Found]]], rng: np.random.Generator) -> None:
        self.unknown, self.found, self.rng = unknown, found, rng

    def values(self, name: str, field: str) -> Floats:
        """A field of a circumstance, the mean of each version's members: float64 [versions]."""
        return np.array([np.mean([getattr(each[name], field) for each in members]) for members in self.found])

    def score(
        self,
        attack: str,
        method: str,
        setting: str,
        metric: str,
        values: Floats,
        guesses: Floats,
        margin: float | None = None,
        note: str = "",
    ) -> Score:
        """Means over versions in the suite's form."""
        apart = values - guesses
        low, high = mean_interval(apart, 0.95, self.rng)
        verdict = None if margin is None else equivalent(apart, margin, spread=0.0)  # each a mean of many values
        value, guess = float(values.mean()), float(guesses.mean())
        setting, gain = f"{self.unknown} unknown, {setting}", value - guess
        return Score(
            attack, MEMBER, method, setting, metric, value, guess, gain, low, high, len(values), margin, verdict, note
        )

    def circumstance(self, name: str, attack: str, method: str, setting: str) -> tuple[Score, Score]:
        """Of one circumstance: the share of values that came out exactly, and the bits left of those before."""
        note = f"a true value takes {self.values(name, 'code').mean():.2f} bits"
        found = [(self.values(name, a), self.values(name, b)) for a, b in (("exact", "guessed"), ("left", "before"))]
        return (
            self.score(attack, method, setting, "all others exact", *found[0], note=note),
            self.score(f"{attack}, bits", method, setting, "bits left", *found[1], note=note),
        )

    def separations(self) -> list[Score]:
        """With weights known and inferred, without the dither and with it."""
        out: list[Score] = []
        for dither in (False, True):
            for weights in (KNOWN, INFERRED):
                method = "dither" if dither else "no dither"
                exact, bits = self.circumstance(name_of(weights, dither), SEPARATION, method, f"weights {weights}")
                row = {field.name: getattr(exact, field.name) for field in dataclasses.fields(Score)}
                out += [Separation(**row, unknown=self.unknown, weights=weights, dither=dither,
                                   bits_left=bits.value, bits_before=bits.guess), bits]  # fmt: skip
        return out

    def beside(self) -> list[Score]:
        """The dithered sum less a sum in real numbers, which stands in the guess's place."""
        out = []
        for name in (ROUNDED, UNROUNDED):
            for field, metric, margin in (("exact", "all others exact", EXACT), ("left", "bits left", BITS)):
                pair = self.values(name_of(KNOWN, True), field), self.values(name, field)
                claimed = margin if name == ROUNDED else None
                out.append(self.score(BESIDE, "dither", f"against {name}", metric, *pair, margin=claimed))
        return out


def right_score(right: Sequence[bool], unknown: int, what: str) -> Score:
    """How often weights were inferred rightly; nobody's guess is said to be."""
    share, (low, high) = float(np.mean(right)), share_interval(sum(right), len(right))
    setting = f"{unknown} unknown, {what}"
    return Score(
        f"{SEPARATION}, weights", MEMBER, "no dither", setting, "all inferred", share, 0.0, share, low, high, len(right)
    )


def run(lab: Laboratory, say: Say) -> list[Score]:
    """Everything above, for two and for three unknown contributors."""
    size, memory, out = lab.size, Memory(), list[Score]()
    for unknown, versions in zip((2, 3), size.versions, strict=True):
        given, rng = dict(size.run), lab.rng("sums", unknown)
        given |= {f"strategy.{key}": unknown + 1 for key in ("buffer-size", "min-contributors", "min-nodes")}

        def version_made(text: str, count: int = unknown + 1) -> None:
            say(f"run with {count} contributors a version: {text}")

        made = run_of(versions, lab.seed, given, memory, say=version_made)
        members = [cases(version) for version in made.versions]
        found = []
        for number, mine in enumerate(members):
            say(f"{unknown} unknown contributors: version {number + 1} of {versions}")
            found.append([views(made, case, size.every, rng) for case in mine])
        table = Table(unknown, found, rng)
        out += [*table.separations(), *table.beside()]
        if unknown == 2:
            say("inferring weights, other weights")
            right = [weights_right(made, case) for mine in members for case in mine]
            for number, what in enumerate(("others' weights", "own weight, too")):
                out.append(right_score([each[number] for each in right], unknown, what))
            table = Table(unknown, [[other_weights(made, c, size.every) for c in mine] for mine in members], rng)
            for weights in (ALIKE, APART):
                setting = f"weights {weights[0]} and {weights[1]}"
                out += table.circumstance(str(weights), OTHERWISE, "no dither", setting)
    return out
