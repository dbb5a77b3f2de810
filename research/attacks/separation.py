"""Separating a weighted sum of integers: the posterior of every term, and the most probable terms of all.

A member of a version that subtracts its own share holds ``sum_i n_i q_i + e`` over the other contributors i, with small
integers q_i and weights n_i, and a noise e whose distribution it knows (none, a dither, what rounding cut off). For a
term i, ``P(q_i | sum) ~ P(q_i) P(rest = sum - n_i q_i)``, where *rest* is the sum of all other terms and the noise: a
table over all its values, made once a block. The same table with maxima in place of sums gives the most probable
combination. Nothing is sampled.

Not for: where the prior and the weights come from (``research.attacks.weights``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_CHUNK = 2048  # sums whose posteriors are in memory at once


@dataclass(frozen=True)
class Noise:
    """What is added to a sum: ``first``, ``first + 1``, ... with probabilities ``shares`` float64 [m]."""

    first: int
    shares: Floats

    @property
    def last(self) -> int:
        """The largest value that can be added."""
        return self.first + len(self.shares) - 1

    def __add__(self, other: Noise) -> Noise:
        """Of the sum of both, independently drawn."""
        return Noise(self.first + other.first, np.convolve(self.shares, other.shares))


def uniform(first: int, last: int) -> Noise:
    """Every integer from ``first`` to ``last`` alike."""
    count = last - first + 1
    return Noise(first, np.full(count, 1.0 / count))


NOTHING = uniform(0, 0)


def dithered(total_weight: int) -> Noise:
    """A version's dither once its mean is removed: uniform, W - 1 integers around zero."""
    reach = total_weight // 2 - 1
    return uniform(-reach, reach)


def rounded(sums: Ints, total_weight: int) -> tuple[Ints, Noise]:
    """``sums`` rounded to multiples of W, one quantisation step of a version, and the noise that this amounts to."""
    half = total_weight // 2
    return (sums + half) // total_weight * total_weight, uniform(1 - half, half)


def within_steps(weights: Sequence[int]) -> Noise:
    """What real values that are uniform within their quantisation step add to the sum of the rounded ones.

    A value weighed by n is placed at one of n points of its step, so that the noise is an integer.
    """
    shares = np.ones(1)
    for weight in weights:
        shares = np.convolve(shares, np.full(weight, 1.0 / weight))
    return Noise(-((len(shares) - 1) // 2), shares)


def drawn(noise: Noise, count: int, rng: np.random.Generator) -> Ints:
    """``count`` draws of a noise, int64."""
    return np.asarray(noise.first + rng.choice(len(noise.shares), count, p=noise.shares), dtype=np.int64)


@dataclass(frozen=True)
class _Rest:
    """Tables over the sum of some terms and the noise, from ``first`` on, with a zero at either end.

    ``total`` is the probability of each sum, ``best`` that of its most probable combination, ``which`` this
    combination's number (-1: none).
    """

    first: int
    total: Floats
    best: Floats
    which: Ints


def _rest(weights: Sequence[int], priors: Sequence[Floats], noise: Noise, combine: bool) -> _Rest:
    """``combine``: with the most probable combinations, else these are left empty."""
    reach = (len(priors[0]) - 1) // 2
    values = np.arange(-reach, reach + 1)
    sums, chances = np.zeros(1, dtype=np.int64), np.ones(1)
    for weight, prior in zip(weights, priors, strict=True):
        sums = (sums[:, None] + weight * values).ravel()
        chances = (chances[:, None] * prior).ravel()
    first = -reach * sum(weights)
    size, places = 1 - 2 * first, sums - first
    total = np.pad(np.convolve(np.bincount(places, chances, minlength=size), noise.shares), 1)
    best, which = np.zeros(len(total)), np.full(len(total), -1, dtype=np.int64)
    if combine:
        exact, order = np.full(size, -1, dtype=np.int64), np.argsort(chances, kind="stable")
        exact[places[order]] = order  # of several, the last one stays: the most probable
        most = np.where(exact >= 0, chances[exact], 0.0)
        for step, share in enumerate(noise.shares):
            here, candidate = slice(step + 1, step + 1 + size), most * share
            better = candidate > best[here]
            best[here][better], which[here][better] = candidate[better], exact[better]
    return _Rest(first + noise.first - 1, total, best, which)


@dataclass(frozen=True)
class Separated:
    """What was found, of n sums of u terms.

    ``terms`` int64 [u, n] is the most probable combination; ``entropy`` float64 [u, n] of each term's posterior, in
    bits; ``chance`` float64 [u, n] the posterior probability of the true value, where it was given.
    """

    terms: Ints
    entropy: Floats
    chance: Floats


def entropy(prior: Floats) -> float:
    """Of a distribution, in bits."""
    return float(entr(prior).sum() / np.log(2.0))


def separate(
    sums: Ints, weights: Sequence[int], priors: Sequence[Floats], noise: Noise = NOTHING, truth: Ints | None = None
) -> Separated:
    """Separate ``sums`` (int64 [n]) of terms with ``weights``; ``truth`` int64 [u, n] is only judged by.

    ``priors`` are float64 [2 q_max + 1], of -q_max to q_max, one a term. A sum that no combination makes has the prior
    as its posterior.
    """
    terms = np.zeros((len(weights), len(sums)), dtype=np.int64)
    found, chance = np.zeros(terms.shape), np.zeros(terms.shape)
    for number in range(len(weights)):
        others = [k for k in range(len(weights)) if k != number]
        rest = _rest([weights[k] for k in others], [priors[k] for k in others], noise, combine=number == 0)
        for start in range(0, len(sums), _CHUNK):
            here = slice(start, start + _CHUNK)
            true = None if truth is None else truth[number, here]
            found[number, here], chance[number, here] = _posterior(
                sums[here], weights[number], priors[number], rest, true
            )
            if number == 0:
                terms[:, here] = _likeliest(sums[here], weights[0], priors[0], rest, len(weights))
    return Separated(terms, found, chance)


def _places(sums: Ints, weight: int, prior: Floats, rest: _Rest) -> NDArray[np.int64]:
    reach = (len(prior) - 1) // 2
    shift = weight * np.arange(-reach, reach + 1) + rest.first
    return np.asarray(np.clip(sums[:, None] - shift, 0, len(rest.total) - 1), dtype=np.int64)


def _posterior(sums: Ints, weight: int, prior: Floats, rest: _Rest, truth: Ints | None) -> tuple[Floats, Floats]:
    mass = prior * rest.total[_places(sums, weight, prior, rest)]
    whole = mass.sum(1)
    mass[whole == 0.0] = prior
    mass /= mass.sum(1, keepdims=True)
    chance = np.zeros(len(sums))
    if truth is not None:
        chance = mass[np.arange(len(sums)), truth + (len(prior) - 1) // 2]
    return entr(mass).sum(1) / np.log(2.0), chance


def _likeliest(sums: Ints, weight: int, prior: Floats, rest: _Rest, count: int) -> Ints:
    places = _places(sums, weight, prior, rest)
    at = np.argmax(prior * rest.best[places], axis=1)
    left = np.maximum(rest.which[places[np.arange(len(sums)), at]], 0)
    out = np.zeros((count, len(sums)), dtype=np.int64)
    out[0] = at
    for number in range(count - 1, 0, -1):
        left, out[number] = np.divmod(left, len(prior))
    return out - (len(prior) - 1) // 2
