"""How sure an attack's figure is: intervals over victims, and equivalence within a margin.

An interval is over independent victims (patients, updates or canaries), never over tokens, which are not independent
of one another.

Not for: telling members apart (``research.attacks.detection``).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]
Interval = tuple[float, float]
RESAMPLES = 2000


def finite(values: ArrayLike, name: str = "values", least: int = 1) -> Floats:
    """``values`` as float64 [n], of which at least ``least`` are given and all are finite; else a ValueError."""
    found = np.asarray(values, dtype=np.float64).reshape(-1)
    if found.size < least:
        raise ValueError(f"{name}: {found.size} given, but at least {least} are needed; attack more victims")
    if not np.isfinite(found).all():
        raise ValueError(f"{name}: {int((~np.isfinite(found)).sum())} of {found.size} are not finite numbers")
    return found


def generator(rng: np.random.Generator | None) -> np.random.Generator:
    """``rng``, or a fixed one, so that a rerun gives the same interval."""
    return np.random.default_rng(0) if rng is None else rng


def proper(value: float, name: str) -> float:
    """``value``, which lies between 0 and 1; else a ValueError."""
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
    found = finite(values, least=2)
    if np.ptp(found) == 0.0:
        return float(found[0]), float(found[0])
    for method in ("BCa", "percentile"):
        got = stats.bootstrap(
            (found,),
            np.mean,
            confidence_level=proper(level, "level"),
            n_resamples=RESAMPLES,
            method=method,
            rng=generator(rng),
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
    found = finite(values, least=2)
    half = stats.t.ppf(0.5 + proper(level, "level") / 2, found.size - 1) * found.std(ddof=1) / math.sqrt(found.size)
    return float(found.mean() - half), float(found.mean() + half)


def difference_interval(values: ArrayLike, others: ArrayLike, level: float = 0.95) -> Interval:
    """Interval of the difference of two independent samples' means, their variances not taken as equal (Welch).

    Raises
    ------
    ValueError
        as :func:`mean_interval`, for either.
    """
    a, b = finite(values, least=2), finite(others, "others", 2)
    middle = float(a.mean() - b.mean())
    first, second = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
    if first + second == 0.0:
        return middle, middle
    freedom = (first + second) ** 2 / (first**2 / (a.size - 1) + second**2 / (b.size - 1))
    half = float(stats.t.ppf(0.5 + proper(level, "level") / 2, freedom)) * math.sqrt(first + second)
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
    found = finite(values, least=2)
    if not margin > 0.0:
        raise ValueError(f"margin = {margin}: equivalence needs one above zero, fixed before results are looked at")
    if np.ptp(found) == 0.0:
        unseen = 1.0 - proper(level, "level") ** (1.0 / found.size)
        return bool(abs(found[0]) + unseen * spread < margin)
    low, high = t_interval(found, 1.0 - 2.0 * proper(level, "level"))
    return -margin < low and high < margin


# ---------------------------------------------------------------------------------------------- shares


def share_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Clopper-Pearson interval of a share."""
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} successes in {trials} trials: 0 <= successes <= trials, trials >= 1 is expected")
    got = stats.binomtest(successes, trials).proportion_ci(proper(level, "level"), method="exact")
    return float(got.low), float(got.high)
