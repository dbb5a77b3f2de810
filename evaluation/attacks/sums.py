"""What a version's sum tells one of its members of the others' single updates.

A member of a version of K contributors subtracts its own n q and holds the others' weighted sum. In exact integers that
is a knapsack: with two unknown 8-bit values and unequal weights it has a handful of solutions. Attacked are the first
versions of real runs of the app's default settings, by every member in turn, with two unknown contributors (a buffer of
3) and three (of 4); with the others' weights known or inferred; with the version's dither and without.

What remains with the dither is compared, on the same sums, with two views of a sum in real numbers: *rounded* to a
quantisation step, which says as much as its own noise leaves, and *unrounded*, the sum of real values that would round
to these integers. Equal weights, where no dither is needed, and weights that differ by one stand beside.

Not for: attacks on the notes behind an opened sum (``evaluation.attacks.aggregate``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.attacks.integers import Run, Version
from evaluation.attacks.integers import run as run_of
from evaluation.attacks.laboratory import Laboratory
from evaluation.attacks.margins import BITS, EXACT
from evaluation.attacks.scores import INFERRED, KNOWN, MEMBER, SEPARATION, Score, Separation
from evaluation.attacks.separation import (
    NOTHING,
    Floats,
    Ints,
    Noise,
    dithered,
    drawn,
    entropy,
    rounded,
    separate,
    within_steps,
)
from evaluation.attacks.statistics import equivalent, mean_interval, share_interval
from evaluation.attacks.weights import block_priors, infer, infer_all, prior, widened, widths
from evaluation.compare.memory import Memory

Told = Callable[[str], None]
ROUNDED, UNROUNDED = "rounded to a step", "unrounded"
ALIKE, APART = (43, 43), (42, 43)  # others' weights in W = 128, own 42 and 43
OTHERWISE = "separation, other weights"
BESIDE = "separation, beside a sum in real numbers"


@dataclass(frozen=True)
class Case:
    """One member's view of a version: ``own`` int64 [total] with weight ``weight``; ``opened`` int64 [total].

    The others are in the order of their weights, by which the member tells them apart: ``truth`` int64 [u, total].
    """

    own: Ints
    weight: int
    opened: Ints
    weights: tuple[int, ...]
    truth: Ints

    @property
    def exact(self) -> Ints:
        """The others' weighted sum without a dither, int64 [total]."""
        return np.asarray(np.array(self.weights) @ self.truth, dtype=np.int64)

    @property
    def sums(self) -> Ints:
        """What the member holds once it has subtracted its own."""
        return self.opened - self.weight * self.own


def cases(version: Version) -> list[Case]:
    """The view of each member."""
    out = []
    for me, weight in enumerate(version.weights):
        others = sorted((k for k in range(len(version.weights)) if k != me), key=lambda k: version.weights[k])
        weights = tuple(version.weights[k] for k in others)
        out.append(Case(version.values[me], weight, version.opened, weights, version.values[others]))
    return out


@dataclass(frozen=True)
class Found:
    """Means over the values of a view: ``exact`` is the share at which all others came out, ``guessed`` without a sum.

    ``left`` and ``before`` are bits of one other's value; ``code`` is the bits that its true value takes under the
    posterior, which is ``left`` where the attacker's beliefs are right.
    """

    exact: float
    guessed: float
    left: float
    before: float
    code: float


def attack(
    run: Run,
    case: Case,
    sums: Ints,
    weights: Sequence[int],
    noise: Noise,
    every: int,
    spread: Sequence[float] = (),
) -> Found:
    """Separate every ``every``-th block of ``sums`` (int64 [total]), which carry ``noise``.

    How widely the terms are spread is fitted to the sums, unless ``spread`` says it.
    """
    q_max, window = run.plan.q_max, run.plan.total_weight
    spread = spread or widths(sums, prior(case.own, q_max), weights, window, noise)
    ends = np.cumsum([0, *run.sizes])
    rows, counts = [], []
    for number, own in list(enumerate(block_priors(case.own, run.sizes, q_max)))[::every]:
        here = slice(ends[number], ends[number + 1])
        priors, truth = [widened(own, width) for width in spread], case.truth[:, here]
        found = separate(sums[here], weights, priors, noise, truth)
        modes = np.array([int(np.argmax(p)) - q_max for p in priors])[:, None]
        rows.append(
            (
                np.mean((found.terms == truth).all(0)),
                np.mean((modes == truth).all(0)),
                found.entropy.mean(),
                np.mean([entropy(p) for p in priors]),
                -np.log2(np.maximum(found.chance, 2.0**-64)).mean(),
            )
        )
        counts.append(run.sizes[number])
    return Found(*(float(value) for value in np.average(np.array(rows), axis=0, weights=counts)))


def views(run: Run, case: Case, every: int, rng: np.random.Generator) -> dict[str, Found]:
    """What one member finds, by circumstance; real numbers are compared with the dither at known weights."""
    plan, count, total = run.plan, len(case.weights), sum(case.weights)
    window, own, noise = plan.total_weight, prior(case.own, plan.q_max), dithered(plan.total_weight)
    out, spread = dict[str, Found](), tuple[float, ...]()
    for label, sums, around in ((_name(False), case.exact, NOTHING), (_name(True), case.sums, noise)):
        spread = widths(sums, own, case.weights, window, around)
        out[f"{KNOWN}{label}"] = known = attack(run, case, sums, case.weights, around, every, spread)
        weights = infer(sums, own, total, count, run.heaviest, window, around)
        same = weights == case.weights
        out[f"{INFERRED}{label}"] = known if same else attack(run, case, sums, weights, around, every)
    sums, around = rounded(case.exact, window)  # with the beliefs that the dithered sum leads to
    out[ROUNDED] = attack(run, case, sums, case.weights, around, every, spread)
    around = within_steps(case.weights)
    sums = case.exact + drawn(around, len(case.own), rng)
    out[UNROUNDED] = attack(run, case, sums, case.weights, around, every, spread)
    return out


def _name(dither: bool) -> str:
    return ", dither" if dither else ""


def weights_right(run: Run, case: Case) -> tuple[bool, bool]:
    """Whether weights are inferred rightly without a dither: the others' alone, and all with the member's own."""
    own, window, count = prior(case.own, run.plan.q_max), run.plan.total_weight, len(case.weights)
    total, exact = sum(case.weights), case.exact
    version = exact + case.weight * case.own
    others = infer(exact, own, total, count, run.heaviest, window, NOTHING)
    every = infer_all(version, case.own, own, total + case.weight, count + 1, run.heaviest, window, NOTHING)
    return others == case.weights, every == (case.weight, *case.weights)


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
                exact, bits = self.circumstance(f"{weights}{_name(dither)}", SEPARATION, method, f"weights {weights}")
                row = {field.name: getattr(exact, field.name) for field in dataclasses.fields(Score)}
                out += [Separation(**row, unknown=self.unknown, weights=weights, dither=dither,
                                   bits_left=bits.value, bits_before=bits.guess), bits]  # fmt: skip
        return out

    def beside(self) -> list[Score]:
        """The dithered sum less a sum in real numbers, which stands in the guess's place."""
        out = []
        for name in (ROUNDED, UNROUNDED):
            for field, metric, margin in (("exact", "all others exact", EXACT), ("left", "bits left", BITS)):
                pair = self.values(f"{KNOWN}{_name(True)}", field), self.values(name, field)
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


def other_weights(run: Run, case: Case, every: int) -> dict[str, Found]:
    """What a member would find, without a dither, under equal weights and under weights that differ by one."""
    out = {}
    for weights in (ALIKE, APART):
        there = dataclasses.replace(case, weights=weights)
        out[str(weights)] = attack(run, there, there.exact, weights, NOTHING, every)
    return out


def run(lab: Laboratory, told: Told) -> list[Score]:
    """Everything above, for two and for three unknown contributors."""
    size, memory, out = lab.size, Memory(), list[Score]()
    for unknown, versions in zip((2, 3), size.versions, strict=True):
        given, rng = dict(size.run), lab.rng("sums", unknown)
        given |= {f"strategy.{key}": unknown + 1 for key in ("buffer-size", "min-contributors", "min-nodes")}

        def version_made(text: str, count: int = unknown + 1) -> None:
            told(f"run with {count} contributors a version: {text}")

        made = run_of(versions, lab.seed, given, memory, told=version_made)
        members = [cases(version) for version in made.versions]
        found = []
        for number, mine in enumerate(members):
            told(f"{unknown} unknown contributors: version {number + 1} of {versions}")
            found.append([views(made, case, size.every, rng) for case in mine])
        table = Table(unknown, found, rng)
        out += [*table.separations(), *table.beside()]
        if unknown == 2:
            told("inferring weights, other weights")
            right = [weights_right(made, case) for mine in members for case in mine]
            for number, what in enumerate(("others' weights", "own weight, too")):
                out.append(right_score([each[number] for each in right], unknown, what))
            table = Table(unknown, [[other_weights(made, c, size.every) for c in mine] for mine in members], rng)
            for weights in (ALIKE, APART):
                setting = f"weights {weights[0]} and {weights[1]}"
                out += table.circumstance(str(weights), OTHERWISE, "no dither", setting)
    return out
