"""One member's view of a version, and what it finds in it: the others' single updates, under every circumstance.

A member subtracts its own n q from what it opens and separates the rest. Found is judged on the truth that it does not
have: what the others really sent.

Not for: scores (``research.attacks.sums``), the separation itself (``research.attacks.separation``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.attacks.integers import Run, Version
from research.attacks.scores import INFERRED, KNOWN
from research.attacks.separation import NOTHING, Ints, Noise, dithered, drawn, entropy, rounded, separate, within_steps
from research.attacks.weights import block_priors, infer, infer_all, prior, widened, widths

ROUNDED, UNROUNDED = "rounded to a step", "unrounded"
ALIKE, APART = (43, 43), (42, 43)  # others' weights in W = 128, own 42 and 43


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
    for dither, sums, around in ((False, case.exact, NOTHING), (True, case.sums, noise)):
        spread = widths(sums, own, case.weights, window, around)
        out[name_of(KNOWN, dither)] = known = attack(run, case, sums, case.weights, around, every, spread)
        weights = infer(sums, own, total, count, run.heaviest, window, around)
        same = weights == case.weights
        out[name_of(INFERRED, dither)] = known if same else attack(run, case, sums, weights, around, every)
    sums, around = rounded(case.exact, window)  # with the beliefs that the dithered sum leads to
    out[ROUNDED] = attack(run, case, sums, case.weights, around, every, spread)
    around = within_steps(case.weights)
    sums = case.exact + drawn(around, len(case.own), rng)
    out[UNROUNDED] = attack(run, case, sums, case.weights, around, every, spread)
    return out


def name_of(weights: str, dither: bool) -> str:
    """Name of a circumstance: what is known of the weights, and whether the version carries a dither."""
    return f"{weights}, dither" if dither else weights


def weights_right(run: Run, case: Case) -> tuple[bool, bool]:
    """Whether weights are inferred rightly without a dither: the others' alone, and all with the member's own."""
    own, window, count = prior(case.own, run.plan.q_max), run.plan.total_weight, len(case.weights)
    total, exact = sum(case.weights), case.exact
    version = exact + case.weight * case.own
    others = infer(exact, own, total, count, run.heaviest, window, NOTHING)
    every = infer_all(version, case.own, own, total + case.weight, count + 1, run.heaviest, window, NOTHING)
    return others == case.weights, every == (case.weight, *case.weights)


def other_weights(run: Run, case: Case, every: int) -> dict[str, Found]:
    """What a member would find, without a dither, under equal weights and under weights that differ by one."""
    out = {}
    for weights in (ALIKE, APART):
        there = dataclasses.replace(case, weights=weights)
        out[str(weights)] = attack(run, there, there.exact, weights, NOTHING, every)
    return out
