"""What tells members from nonmembers: AUC and true positive rate, with intervals over victims.

Larger scores mean "more likely a member" throughout.

Not for: what a score is made of (``research.attacks.membership``), means (``research.attacks.statistics``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from research.attacks.statistics import RESAMPLES, Floats, Interval, finite, generator, proper

Statistic = Callable[[Floats, Floats], float]


def _placements(member: Floats, nonmember: Floats) -> tuple[Floats, Floats]:
    """For each member the share of nonmembers below it, for each nonmember that of members above; ties half."""

    def below(points: Floats, others: Floats) -> Floats:
        ordered = np.sort(others)
        left, right = np.searchsorted(ordered, points, "left"), np.searchsorted(ordered, points, "right")
        return np.asarray((left + right) / (2.0 * others.size), dtype=np.float64)

    return below(member, nonmember), 1.0 - below(nonmember, member)


def auc(member: ArrayLike, nonmember: ArrayLike) -> float:
    """Probability that a member scores higher than a nonmember, a tie counting half (Mann-Whitney); 0.5 is a guess."""
    return float(_placements(finite(member, "member"), finite(nonmember, "nonmember"))[0].mean())


def auc_interval(member: ArrayLike, nonmember: ArrayLike, level: float = 0.95) -> Interval:
    """DeLong's interval (1988) of :func:`auc` on the logit scale.

    At an AUC of 0 or 1, where DeLong's variance vanishes, Newcombe's (2006, method 5) with Hanley and McNeil's
    variance.

    Raises
    ------
    ValueError
        there are fewer than two members or nonmembers.
    """
    m, n = finite(member, "member", 2), finite(nonmember, "nonmember", 2)
    z = float(stats.norm.ppf(0.5 + proper(level, "level") / 2))
    above, under = _placements(m, n)
    value = float(above.mean())
    if value in (0.0, 1.0):
        bound = _separated(m.size, n.size, z)
        return (bound, 1.0) if value else (0.0, 1.0 - bound)
    sd = math.sqrt(above.var(ddof=1) / m.size + under.var(ddof=1) / n.size)
    middle, half = math.log(value / (1.0 - value)), z * sd / (value * (1.0 - value))
    return float(1.0 / (1.0 + math.exp(half - middle))), float(1.0 / (1.0 + math.exp(-half - middle)))


def _separated(members: int, nonmembers: int, z: float) -> float:
    """Lower end where every member scores above every nonmember."""
    count = (members + nonmembers) / 2.0 - 1.0

    def missing(value: float) -> float:
        spread = 1.0 + count * (1.0 - value) / (2.0 - value) + count * value / (1.0 + value)
        return 1.0 - value - z * math.sqrt(value * (1.0 - value) * spread / (members * nonmembers))

    return float(optimize.brentq(missing, 1e-9, 1.0 - 1e-9))


def tpr_at_fpr(member: ArrayLike, nonmember: ArrayLike, fpr: float = 0.01) -> float:
    """Share of members found while at most ``fpr`` of the nonmembers are taken for members (arXiv 2112.03570).

    The threshold is the (k + 1)-th largest nonmember's score, k = floor(fpr * nonmembers); only who lies strictly
    above it is called a member, so that ties never count in the attack's favour.

    Raises
    ------
    ValueError
        there are fewer than 1 / fpr nonmembers: no threshold among them would have that rate.
    """
    m, n = finite(member, "member"), finite(nonmember, "nonmember")
    allowed = math.floor(proper(fpr, "fpr") * n.size + 1e-9)
    if allowed < 1:
        raise ValueError(
            f"a false positive rate of {fpr} cannot be told from {n.size} nonmembers: at least "
            f"{math.ceil(1.0 / fpr - 1e-9)} are needed"
        )
    threshold = np.partition(n, n.size - 1 - allowed)[n.size - 1 - allowed]
    return float((m > threshold).mean())


def resampled(
    statistic: Statistic, member: Floats, nonmember: Floats, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Floats:
    """``statistic`` of members and nonmembers drawn anew with replacement, each group for itself, float64 [resamples].

    Rows are victims, so that several scores of one victim stay together.
    """
    m, n = len(member), len(nonmember)
    return np.array(
        [statistic(member[rng.integers(m, size=m)], nonmember[rng.integers(n, size=n)]) for _ in range(resamples)]
    )


def _quantiles(values: Floats, level: float) -> Interval:
    low, high = np.quantile(values, [0.5 - proper(level, "level") / 2, 0.5 + level / 2])
    return float(low), float(high)


def _pairs(name: str, found: tuple[ArrayLike, ArrayLike]) -> Floats:
    a, g = finite(found[0], name, 2), finite(found[1], f"{name} (guess)", 2)
    if a.size != g.size:
        raise ValueError(f"{name}: {a.size} scores of the attack, {g.size} of the guess; one each is expected")
    return np.stack([a, g], axis=1)


def gain_intervals(
    statistic: Statistic,
    member: tuple[ArrayLike, ArrayLike],
    nonmember: tuple[ArrayLike, ArrayLike],
    levels: Sequence[float] = (0.95, 0.90),
    rng: np.random.Generator | None = None,
) -> tuple[Interval, ...]:
    """Percentile bootstrap of ``statistic`` of an attack's scores minus that of the guess's, at each of ``levels``.

    ``member`` and ``nonmember`` are (attack's scores, guess's scores) of the same victims in the same order.

    Raises
    ------
    ValueError
        attack and guess are not of as many victims, or there are fewer than two of a kind.
    """

    def gain(m: Floats, n: Floats) -> float:
        return statistic(m[:, 0], n[:, 0]) - statistic(m[:, 1], n[:, 1])

    drawn = resampled(gain, _pairs("member", member), _pairs("nonmember", nonmember), generator(rng))
    return tuple(_quantiles(drawn, level) for level in levels)


def auc_gain_intervals(
    member: tuple[ArrayLike, ArrayLike],
    nonmember: tuple[ArrayLike, ArrayLike],
    levels: Sequence[float] = (0.95, 0.90),
) -> tuple[Interval, ...]:
    """As :func:`gain_intervals` for :func:`auc`, by DeLong's variance of two correlated AUCs (1988), in [-1, 1]."""
    m, n = _pairs("member", member), _pairs("nonmember", nonmember)
    (above, under), (above_g, under_g) = (_placements(m[:, i], n[:, i]) for i in (0, 1))
    ahead, behind = above - above_g, under - under_g
    sd = math.sqrt(ahead.var(ddof=1) / ahead.size + behind.var(ddof=1) / behind.size)
    value, out = float(ahead.mean()), []
    for level in levels:
        half = float(stats.norm.ppf(0.5 + proper(level, "level") / 2)) * sd
        out.append((max(-1.0, value - half), min(1.0, value + half)))
    return tuple(out)
