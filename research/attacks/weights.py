"""What a member of a version knows before it separates the sum: how others' values are distributed, and their weights.

The *prior* is made of the member's own update alone: the histogram of its values in each block, with that of the whole
update as pseudo-counts. Others' values are spread as its own or wider or narrower (they may be stale): the factor is
fitted to the sum.

*Weights* need not be told. Integers n_1 q_1 + n_2 q_2 fall on some residues more often than on others, and on which
says what the n are: the likelihood of every value given the window of W integers that it lies in, which does not depend
on how widely values are spread. Where residues show nothing (a dither, three terms), the likelihood of the whole
distribution is all that is left. Its own weight a member is taken to know; it can be found with the others'.

Not for: separating (``research.attacks.separation``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from research.attacks.separation import Floats, Ints, Noise, dithered

SMOOTHING = 2  # values on either side that a histogram is averaged over
PSEUDO = 512  # pseudo-counts of the whole update's histogram in that of a block
FLOOR = 1e-3  # share of a prior that every value has alike
WIDTHS = (0.5, 0.6, 0.75, 0.9, 1.0, 1.15, 1.4, 1.7, 2.0)
SPREAD = 1 / 3  # by which widths that residues prefer may change the sum's variance
LEAST = 1e-15  # probability of a sum, so that rounding errors have a logarithm
DECISIVE = 10.0  # nats by which sums must be likelier than sums whose residues are blurred


def _counts(values: Ints, q_max: int) -> Floats:
    """How often each of -q_max .. q_max occurs, either sign alike and neighbours averaged.

    Zero and the ends stay as they are: what does not change and what was clipped are apart.
    """
    half = np.bincount(np.abs(values), minlength=q_max + 1).astype(np.float64)
    counts = np.concatenate([half[:0:-1] / 2, half[:1], half[1:] / 2])
    own = np.zeros(len(counts), dtype=np.bool_)
    own[[0, q_max, -1]] = True
    kernel = np.ones(2 * SMOOTHING + 1)
    near = np.convolve(~own, kernel, "same")
    mean = np.convolve(np.where(own, 0.0, counts), kernel, "same") / np.maximum(near, 1.0)
    return np.asarray(np.where(own, counts, mean), dtype=np.float64)


def _floored(counts: Floats) -> Floats:
    return np.asarray((1.0 - FLOOR) * counts / counts.sum() + FLOOR / len(counts), dtype=np.float64)


def prior(values: Ints, q_max: int) -> Floats:
    """Distribution of values like ``values``, float64 [2 q_max + 1]."""
    return _floored(_counts(values, q_max))


def block_priors(values: Ints, sizes: Sequence[int], q_max: int) -> Floats:
    """The prior of each block, float64 [blocks, 2 q_max + 1]; ``values`` is the member's whole update."""
    whole = prior(values, q_max)
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return np.stack([_floored(_counts(part, q_max) + PSEUDO * whole) for part in parts])


def widened(prior: Floats, factor: float) -> Floats:
    """The distribution of ``factor`` times a value of ``prior``; what would lie beyond an end lies on it."""
    if factor == 1.0:
        return prior
    q_max = (len(prior) - 1) // 2
    edges = np.clip((np.arange(len(prior) + 1) - q_max - 0.5) / factor, -q_max - 0.5, q_max + 0.5)
    edges[0], edges[-1] = -q_max - 0.5, q_max + 0.5
    cumulated = np.interp(edges + q_max + 0.5, np.arange(len(prior) + 1), np.concatenate([[0.0], np.cumsum(prior)]))
    return _floored(np.diff(cumulated))


class Spectrum:
    """Distributions of weighted sums of terms distributed as ``prior``, by Fourier transforms kept for each term.

    A sum s stands at ``s % size``; ``size`` is a power of two above the range of all sums within ``reach``.
    """

    def __init__(self, prior: Floats, reach: int, noise: Noise) -> None:
        self.prior, self.size = prior, 1 << (2 * reach + 1).bit_length()
        padded = np.zeros(self.size)
        padded[np.arange(noise.first, noise.last + 1) % self.size] = noise.shares
        self.noise = np.fft.rfft(padded)
        self._kept: dict[tuple[int, float], NDArray[np.complex128]] = {}

    def _term(self, weight: int, width: float) -> NDArray[np.complex128]:
        if (weight, width) not in self._kept:
            q_max, spread = (len(self.prior) - 1) // 2, np.zeros(self.size)
            spread[weight * np.arange(-q_max, q_max + 1) % self.size] = widened(self.prior, width)
            self._kept[weight, width] = np.fft.rfft(spread)
        return self._kept[weight, width]

    def distribution(self, weights: Sequence[int], widths: Sequence[float] | None = None) -> Floats:
        """Probability of each sum, float64 [size]."""
        found = self.noise
        for weight, width in zip(weights, widths or [1.0] * len(weights), strict=True):
            found = found * self._term(weight, width)
        return np.maximum(np.fft.irfft(found, self.size), LEAST)

    def counts(self, sums: Ints) -> Floats:
        """How often each sum occurs, float64 [size]."""
        return np.bincount(sums % self.size, minlength=self.size).astype(np.float64)


def candidates(total: int, count: int, heaviest: int, least: int = 1) -> Iterator[tuple[int, ...]]:
    """``count`` weights in rising order, none above ``heaviest``, that sum to ``total``."""
    if count == 1:
        if least <= total <= heaviest:
            yield (total,)
        return
    for weight in range(max(least, total - (count - 1) * heaviest), total // count + 1):
        for others in candidates(total - weight, count - 1, heaviest, weight):
            yield (weight, *others)


def likelihoods(counts: Floats, distribution: Floats, window: int) -> tuple[float, float]:
    """Log-likelihoods (nats) of sums: given their windows, less that of no structure in these, and the whole.

    A window is ``window`` integers in a row, from a multiple of it on.
    """
    starts = np.arange(0, len(counts), window)
    # products and sums, as threads of a BLAS cost more than they save on so few numbers
    whole = float((counts * np.log(distribution)).sum())
    inside = np.log(np.add.reduceat(distribution, starts))
    coarse = float((np.add.reduceat(counts, starts) * inside).sum())
    return whole - coarse + float(counts.sum()) * math.log(window), whole


def infer(
    sums: Ints, prior: Floats, total: int, count: int, heaviest: int, window: int, noise: Noise
) -> tuple[int, ...]:
    """The likeliest weights, in rising order, of ``sums`` (int64 [n]) of ``count`` terms; they sum to ``total``."""
    return _infer([(0, sums)], prior, total, count, heaviest, window, noise)[1:]


def infer_all(
    opened: Ints, own: Ints, prior: Floats, total: int, count: int, heaviest: int, window: int, noise: Noise
) -> tuple[int, ...]:
    """As :func:`infer` of a version (int64 [n]) whose own term (int64 [n]) has a weight that is not known either.

    Own weight first; ``total`` and ``count`` are those of all terms.
    """
    remains = [(weight, opened - weight * own) for weight in range(1, heaviest + 1)]
    return _infer(remains, prior, total, count - 1, heaviest, window, noise)


def _infer(
    remains: Sequence[tuple[int, Ints]],
    prior: Floats,
    total: int,
    count: int,
    heaviest: int,
    window: int,
    noise: Noise,
) -> tuple[int, ...]:
    q_max = (len(prior) - 1) // 2
    spectrum = Spectrum(prior, q_max * total + noise.last, noise)
    counts: dict[int, Floats] = {}
    tried: list[tuple[float, float, tuple[int, ...]]] = []
    for own, sums in remains:
        if np.abs(sums).max() <= q_max * (total - own) + noise.last:  # else nothing weighs as much
            counts[own] = spectrum.counts(sums)
            for weights in candidates(total - own, count, heaviest):
                fine, whole = likelihoods(counts[own], spectrum.distribution(weights), window)
                tried.append((fine, whole, (own, *weights)))
    if not tried:
        raise ValueError(f"no {count} weights of at most {heaviest} sum to {total}")
    best, _, (own, *others) = max(tried)
    blurred = Spectrum(prior, q_max * total + noise.last, noise + dithered(window))
    without = likelihoods(counts[own], blurred.distribution(others), window)[0]
    return (own, *others) if best > without + DECISIVE else max(tried, key=lambda each: each[1])[2]


def widths(sums: Ints, prior: Floats, weights: Sequence[int], window: int, noise: Noise) -> tuple[float, ...]:
    """How widely each term is spread, in units of ``prior``'s spread, of ``WIDTHS``.

    All alike as the whole distribution says, unless residues speak decisively for two terms that differ and make a sum
    that is spread about as widely: the distribution alone hardly says which of the terms is the wide one.
    """
    q_max, squares = (len(prior) - 1) // 2, np.square(np.array(weights, dtype=np.float64))
    spectrum = Spectrum(prior, max(int(np.abs(sums).max()), q_max * sum(weights) + noise.last), noise)
    counts = spectrum.counts(sums)

    def score(tried: tuple[float, ...]) -> tuple[float, float]:
        return likelihoods(counts, spectrum.distribution(weights, tried), window)

    alike = max([(width,) * len(weights) for width in WIDTHS], key=lambda tried: score(tried)[1])
    if len(weights) != 2:
        return alike
    spread = float(squares @ np.square(alike))
    apart = [t for t in itertools.product(WIDTHS, repeat=2) if abs(squares @ np.square(t) - spread) < SPREAD * spread]
    fine, best = max((score(tried)[0], tried) for tried in apart)
    return best if fine > score(alike)[0] + DECISIVE else alike
