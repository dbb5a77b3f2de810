"""How sure an attack's figure is: intervals over victims, equivalence within a margin, and what tells members apart.

Larger scores mean "more likely a member" throughout. An interval is over independent victims (patients, updates or
canaries), never over tokens, which are not independent of one another.

Not for: what a score is made of (``evaluation.attacks.membership``, ``evaluation.attacks.canaries``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

Floats = NDArray[np.float64]
Interval = tuple[float, float]
Statistic = Callable[[Floats, Floats], float]
RESAMPLES = 2000


def _sample(values: ArrayLike, name: str = "values", least: int = 1) -> Floats:
    found = np.asarray(values, dtype=np.float64).reshape(-1)
    if found.size < least:
        raise ValueError(f"{name}: {found.size} given, but at least {least} are needed; attack more victims")
    if not np.isfinite(found).all():
        raise ValueError(f"{name}: {int((~np.isfinite(found)).sum())} of {found.size} are not finite numbers")
    return found


def _rng(rng: np.random.Generator | None) -> np.random.Generator:
    return np.random.default_rng(0) if rng is None else rng


def _share(value: float, name: str) -> float:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} = {value}: a share between 0 and 1, both excluded, is expected")
    return value


# ---------------------------------------------------------------------------------------------- means


def mean_interval(values: ArrayLike, level: float = 0.95, rng: np.random.Generator | None = None) -> Interval:
    """Bootstrap interval of the mean over victims: BCa (Efron 1987), or percentile where BCa is not defined.

    A sample whose values are all alike has that value as both ends, which says nothing about victims not seen: use
    :func:`equivalent`, which does. Without ``rng`` a fixed one is used, so that a rerun gives the same interval.

    Raises
    ------
    ValueError
        there are fewer than two values, or values that are not finite.
    """
    found = _sample(values, least=2)
    if np.ptp(found) == 0.0:
        return float(found[0]), float(found[0])
    for method in ("BCa", "percentile"):
        got = stats.bootstrap(
            (found,),
            np.mean,
            confidence_level=_share(level, "level"),
            n_resamples=RESAMPLES,
            method=method,
            rng=_rng(rng),
        ).confidence_interval
        if math.isfinite(got.low) and math.isfinite(got.high):
            break
    return float(got.low), float(got.high)


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Interval of the mean by the t-distribution; at level 0.90 it is the one that two one-sided tests at 5 % ask for.

    Raises
    ------
    ValueError
        as :func:`mean_interval`.
    """
    found = _sample(values, least=2)
    half = stats.t.ppf(0.5 + _share(level, "level") / 2, found.size - 1) * found.std(ddof=1) / math.sqrt(found.size)
    return float(found.mean() - half), float(found.mean() + half)


def difference_interval(values: ArrayLike, others: ArrayLike, level: float = 0.95) -> Interval:
    """Interval of the difference of two independent samples' means, their variances not taken as equal (Welch).

    Raises
    ------
    ValueError
        as :func:`mean_interval`, for either.
    """
    a, b = _sample(values, least=2), _sample(others, "others", 2)
    middle = float(a.mean() - b.mean())
    first, second = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
    if first + second == 0.0:
        return middle, middle
    freedom = (first + second) ** 2 / (first**2 / (a.size - 1) + second**2 / (b.size - 1))
    half = float(stats.t.ppf(0.5 + _share(level, "level") / 2, freedom)) * math.sqrt(first + second)
    return middle - half, middle + half


def equivalent(values: ArrayLike, margin: float, level: float = 0.05, spread: float = 1.0) -> bool:
    """Whether the mean is shown to lie within (-margin, margin): two one-sided t-tests at ``level`` (Schuirmann 1987).

    A sample of n values all alike has no spread to test with. Then up to ``1 - level**(1/n)`` of all victims may
    still be different without one having been seen (the rule of three), each by ``spread`` at most, and the mean
    must lie within the margin even so. ``spread`` 1 is for shares; 0 takes a constant for what it is.

    Raises
    ------
    ValueError
        there are fewer than two values, or values that are not finite, or the margin is not above zero.
    """
    found = _sample(values, least=2)
    if not margin > 0.0:
        raise ValueError(f"margin = {margin}: equivalence needs one above zero, fixed before results are looked at")
    if np.ptp(found) == 0.0:
        unseen = 1.0 - _share(level, "level") ** (1.0 / found.size)
        return bool(abs(found[0]) + unseen * spread < margin)
    low, high = t_interval(found, 1.0 - 2.0 * _share(level, "level"))
    return -margin < low and high < margin


def sample_size(margin: float, sd: float, power: float = 0.9, level: float = 0.05) -> int:
    """Victims for :func:`equivalent` to say yes with probability ``power`` where there is truly no difference.

    From the noncentral t-distribution, both tests taken as failing apart from each other (Bonferroni), which asks for
    at most slightly more than needed.

    Raises
    ------
    ValueError
        margin or standard deviation are not above zero, or power and level no shares.
    """
    if not (margin > 0.0 and sd > 0.0):
        raise ValueError(f"margin = {margin}, sd = {sd}: both must be above zero")
    _share(power, "power")
    wanted = stats.norm.ppf(1.0 - _share(level, "level")) + stats.norm.ppf(0.5 + power / 2.0)
    n: int = max(2, math.floor((wanted * sd / margin) ** 2))  # the normal approximation, a little below the answer
    while 1.0 - 2.0 * stats.nct.cdf(stats.t.ppf(1.0 - level, n - 1), n - 1, margin * math.sqrt(n) / sd) < power:
        n += 1
    return n


# ---------------------------------------------------------------------------------------------- shares


def share_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Clopper-Pearson interval of a share."""
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} successes in {trials} trials: 0 <= successes <= trials, trials >= 1 is expected")
    got = stats.binomtest(successes, trials).proportion_ci(_share(level, "level"), method="exact")
    return float(got.low), float(got.high)


# ---------------------------------------------------------------------------------------------- members


def _placements(member: Floats, nonmember: Floats) -> tuple[Floats, Floats]:
    """For each member the share of nonmembers below it, for each nonmember that of members above; ties half."""

    def below(points: Floats, others: Floats) -> Floats:
        ordered = np.sort(others)
        left, right = np.searchsorted(ordered, points, "left"), np.searchsorted(ordered, points, "right")
        return np.asarray((left + right) / (2.0 * others.size), dtype=np.float64)

    return below(member, nonmember), 1.0 - below(nonmember, member)


def auc(member: ArrayLike, nonmember: ArrayLike) -> float:
    """Probability that a member scores higher than a nonmember, a tie counting half (Mann-Whitney); 0.5 is a guess."""
    return float(_placements(_sample(member, "member"), _sample(nonmember, "nonmember"))[0].mean())


def auc_interval(member: ArrayLike, nonmember: ArrayLike, level: float = 0.95) -> Interval:
    """DeLong's interval (1988) of :func:`auc` on the logit scale.

    At an AUC of 0 or 1, where DeLong's variance vanishes, Newcombe's (2006, method 5) with Hanley and McNeil's
    variance.

    Raises
    ------
    ValueError
        there are fewer than two members or nonmembers.
    """
    m, n = _sample(member, "member", 2), _sample(nonmember, "nonmember", 2)
    z = float(stats.norm.ppf(0.5 + _share(level, "level") / 2))
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
    m, n = _sample(member, "member"), _sample(nonmember, "nonmember")
    allowed = math.floor(_share(fpr, "fpr") * n.size + 1e-9)
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
    low, high = np.quantile(values, [0.5 - _share(level, "level") / 2, 0.5 + level / 2])
    return float(low), float(high)


def tpr_interval(
    member: ArrayLike,
    nonmember: ArrayLike,
    fpr: float = 0.01,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Interval:
    """The wider, at each end, of Clopper-Pearson over members and of a bootstrap over members and nonmembers.

    The first knows nothing of the threshold's own chance, the second collapses where all or none are found.
    """
    m, n = _sample(member, "member", 2), _sample(nonmember, "nonmember", 2)
    exact = share_interval(round(tpr_at_fpr(m, n, fpr) * m.size), m.size, level)
    drawn = _quantiles(resampled(lambda a, b: tpr_at_fpr(a, b, fpr), m, n, _rng(rng)), level)
    return min(exact[0], drawn[0]), max(exact[1], drawn[1])


def _pairs(name: str, found: tuple[ArrayLike, ArrayLike]) -> Floats:
    a, g = _sample(found[0], name, 2), _sample(found[1], f"{name} (guess)", 2)
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

    drawn = resampled(gain, _pairs("member", member), _pairs("nonmember", nonmember), _rng(rng))
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
        half = float(stats.norm.ppf(0.5 + _share(level, "level") / 2)) * sd
        out.append((max(-1.0, value - half), min(1.0, value + half)))
    return tuple(out)
