"""Weights: what a hospital's update is worth, and the integers that say so.

When to use which: ``paper`` (arXiv 2503.12226) lets a badly fitted hospital count more and a fast link less,
which offsets that it takes part more often; ``paper-literal`` reads the same formula with the mean loss and so
also divides by the size; ``examples`` is FedAvg (arXiv 1602.05629); ``corrected`` grows with size and loss and
leaves bandwidth to scheduling (q-FFL's form, arXiv 1905.10497); ``equal`` counts every update the same, whatever its
hospital says of itself and however stale it is, and a version with fewer of them is a shorter step. Weights that depend
on a loss or a count depend on data: differential privacy of hospitals takes ``equal``.

Not for: which updates are aggregated (``strategies.async_hybrid``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crossward.config.strategy_settings import EQUAL, RELATIVE, StrategySettings

_LEAST = 1e-290  # a smaller weight counts as none: beside it products lose the digits that shares need


@dataclass(frozen=True)
class Contribution:
    """Public facts of one update. ``bandwidth`` in Mbit/s; ``multiplier`` = 2**(scale epochs behind)."""

    loss_sum: float
    num_tokens: int
    num_examples: int
    bandwidth: float
    staleness: int
    multiplier: int = 1

    @property
    def mean_loss(self) -> float:
        """Nats a token."""
        return self.loss_sum / self.num_tokens


def _paper(c: Contribution, s: StrategySettings) -> float:
    return c.loss_sum / (c.num_tokens * math.pow(c.bandwidth, s.bandwidth_exponent))


def _paper_literal(c: Contribution, s: StrategySettings) -> float:
    return c.mean_loss / (c.num_tokens * math.pow(c.bandwidth, s.bandwidth_exponent))


def _examples(c: Contribution, s: StrategySettings) -> float:
    return float(c.num_examples)


def _corrected(c: Contribution, s: StrategySettings) -> float:
    return c.num_tokens * math.pow(c.mean_loss + s.loss_offset, s.loss_exponent)


WEIGHTINGS: dict[str, Callable[[Contribution, StrategySettings], float]] = {
    "paper": _paper,
    "paper-literal": _paper_literal,
    "examples": _examples,
    "corrected": _corrected,
}


def staleness_factor(staleness: int, exponent: float) -> float:
    """(1+s)^-p, FedBuff's polynomial (arXiv 2106.06639, Section 5)."""
    return math.pow(1 + staleness, -exponent)


def shares(contributions: Sequence[Contribution], settings: StrategySettings) -> list[float]:
    """Share of each update, summing to 1, none above ``max-share`` (or 1/K where that is more)."""
    if settings.weighting == EQUAL:
        return [1.0 / len(contributions)] * len(contributions)
    formula = WEIGHTINGS[settings.weighting]
    raw = [formula(c, settings) * staleness_factor(c.staleness, settings.staleness_exponent) for c in contributions]
    if not all(math.isfinite(r) and r >= 0 for r in raw) or sum(raw) <= 0:
        raw = [1.0] * len(raw)
    return capped(raw, max(settings.max_share, 1.0 / len(raw)))


def capped(raw: Sequence[float], cap: float) -> list[float]:
    """``raw`` as shares that sum to 1, none above ``cap``, which is at least 1/K."""
    raw = [r if r >= _LEAST else 0.0 for r in raw]
    full: set[int] = set()
    while True:  # what a capped one loses goes to the others in proportion; each pass caps at least one more
        free = [i for i in range(len(raw)) if i not in full]
        room, mass = 1.0 - cap * len(full), sum(raw[i] for i in free)
        out = [cap if i in full else (room * raw[i] / mass if mass > 0 else room / len(free)) for i in range(len(raw))]
        over = {i for i in free if out[i] > cap * (1 + 1e-12)}
        if not over:
            return out
        full |= over


def damped_total(contributions: Sequence[Contribution], share: Sequence[float], total: int, s: StrategySettings) -> int:
    """How much of W a version uses: all of it, or with absolute damping W times the mean staleness factor.

    Relative damping keeps the step's length and only moves it towards fresh updates; absolute damping is
    FedBuff's: each update is scaled by its own factor and nothing is renormalised. Shares s_k hold the factors f_k
    already, so the mean factor under the weights without staleness is ``1 / sum_k (s_k / f_k)``.
    """
    if s.damping == RELATIVE:
        return total
    factors = [staleness_factor(c.staleness, s.staleness_exponent) for c in contributions]
    mean = 1.0 / sum(w / f for w, f in zip(share, factors, strict=True))
    return max(round(total * mean), sum(c.multiplier for c in contributions))


def equal_weights(total: int, buffer_size: int, multipliers: Sequence[int]) -> list[int]:
    """The same part of ``total`` for each update, multipliers included: one of ``buffer_size``, or of as many as came.

    With 0 or where more came than that, it is one of as many as came. A multiplier that does not divide the part
    rounds it down, to the multiplier at least.

    Raises
    ------
    ValueError
        the multipliers alone exceed ``total``.
    """
    part = total // max(buffer_size, len(multipliers))
    out = [max(part // m, 1) * m for m in multipliers]
    if sum(out) > total:
        raise ValueError(f"updates with multipliers {list(multipliers)} do not fit a total weight of {total}")
    return out


def integer_weights(share: Sequence[float], total: int, multipliers: Sequence[int], most: float = 1.0) -> list[int]:
    """Integers n_k >= 1 with ``sum n_k m_k <= total``, closest to ``share_k total`` (largest remainder).

    What large multipliers leave over goes to nobody beyond ``most`` of ``total`` (1/K where that is more), rounded up:
    next to coarse updates a fine one would else get all of it. With multipliers of 1 the sum is exactly ``total``.

    Raises
    ------
    ValueError
        even weights of 1 exceed ``total``.
    """
    if sum(multipliers) > total:
        raise ValueError(
            f"{len(share)} updates with multipliers {list(multipliers)} do not fit a total weight of {total}"
        )
    wanted = [s * total / m for s, m in zip(share, multipliers, strict=True)]
    out = [max(1, math.floor(w)) for w in wanted]
    while (over := sum(n * m for n, m in zip(out, multipliers, strict=True)) - total) > 0:
        # only weights raised to 1 can cause this: take from the one that is furthest above what it wanted
        k = max((i for i, n in enumerate(out) if n > 1), key=lambda i: (out[i] - wanted[i], out[i]))
        out[k] -= min(out[k] - 1, max(1, over // multipliers[k] // len(out)))
    left, cap = -over, math.ceil(max(most, 1.0 / len(share)) * total)
    while left:
        fits = [i for i, m in enumerate(multipliers) if m <= left and (out[i] + 1) * m <= cap]
        if not fits:
            break
        k = max(fits, key=lambda i: (wanted[i] - out[i], -i))
        out[k] += 1
        left -= multipliers[k]
    return out
