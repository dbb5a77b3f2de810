"""From the weights of a version's updates to integers: staleness, the largest share, and what of W is used.

Not for: what an update is worth (``crossward.config.weightings``), which updates are aggregated
(``strategies.async_hybrid``).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crossward.config.strategy_settings import StrategySettings
from crossward.config.weight_rules import FADING, RELATIVE
from crossward.config.weightings import LOSS, LOSS_CAP, WEIGHTINGS, Facts

CROWD_STEPS = 1.25  # full steps that the updates of one version add up to where they come at once
_LEAST = 1e-290  # a smaller weight counts as none: beside it products lose the digits that shares need


@dataclass(frozen=True)
class Contribution:
    """Public facts of one update. ``bandwidth`` in Mbit/s; ``multiplier`` = 2**(scale epochs behind).

    ``interval``: versions since the one that the hospital's last update is in; of a first one, since it was asked.
    ``crowd``: how many updates trained from the same version are in versions, or wait with this one.
    """

    loss_sum: float
    num_tokens: int
    num_examples: int
    bandwidth: float
    staleness: int
    multiplier: int = 1
    interval: int = 1
    crowd: int = 1

    @property
    def mean_loss(self) -> float:
        """Nats a token."""
        return self.loss_sum / self.num_tokens


def breadth(buffer_size: int, hospitals: int) -> float:
    """``min(1, 2 K / N)^2``: 1 where a version takes half of the hospitals or more, about 0 where it takes few of many.

    Where it takes few, updates are as stale as there are buffers in the fleet, and their steps add up; where it takes
    half, staleness is a version or two and costs nothing.
    """
    return min(2.0 * buffer_size / max(hospitals, 1), 1.0) ** 2


def evenness(version: int, versions: int, broad: float) -> float:
    """How far the shares of what follows ``version`` make up for how seldom hospitals take part: 0 to 1.

    It grows with the square of the part of the run's versions that is made, from :func:`breadth`. Where a version is
    made of few of many hospitals, fresh updates bring the model forward at first and who sent them hardly matters;
    where it takes half of them or more, it matters from the outset.
    """
    return broad + (1.0 - broad) * min(version / versions, 1.0) ** 2


def staleness_factor(staleness: int, exponent: float) -> float:
    """(1+s)^-p, FedBuff's polynomial (arXiv 2106.06639, Section 5)."""
    return math.pow(1 + staleness, -exponent)


def step_factor(contribution: Contribution, settings: StrategySettings) -> float:
    """How much of a full step an update is worth with fading damping: its staleness factor, or its part of its crowd's.

    Where all hospitals take equally long, as many versions are made of one as there are buffers full of hospitals,
    before anything new is known; by staleness alone ten of them would add up to 2.9 steps in one direction.
    """
    part = CROWD_STEPS * settings.buffer_size / contribution.crowd if settings.buffer_size else 1.0
    return min(staleness_factor(contribution.staleness, settings.staleness_exponent), part)


def shares(contributions: Sequence[Contribution], settings: StrategySettings, evenness: float = 0.0) -> list[float]:
    """Share of each update, summing to 1, none above ``max-share`` (or 1/K where that is more).

    Shares are as the weights times the staleness factors f_k; with fading damping also as ``interval^(b (1+p))`` with b
    the ``evenness``. An interval is about 1+s, so with b = 1 a share is as the interval: a hospital that takes part
    seldom counts as much over a run (FedAU's weights, arXiv 2306.03401).
    """
    rule = settings.rule
    if WEIGHTINGS[rule.weighting].fixed:
        return [1.0 / len(contributions)] * len(contributions)
    exponent = evenness * (1.0 + rule.staleness_exponent) if rule.damping == FADING else 0.0
    raw = [
        weight * staleness_factor(c.staleness, rule.staleness_exponent) * math.pow(c.interval, exponent)
        for weight, c in zip(weights(contributions, settings), contributions, strict=True)
    ]
    if not all(math.isfinite(r) and r >= 0 for r in raw) or sum(raw) <= 0:
        raw = [1.0] * len(raw)
    return capped(raw, max(settings.max_share, 1.0 / len(raw)))


def weights(contributions: Sequence[Contribution], settings: StrategySettings) -> list[float]:
    """What each update is worth by the weighting alone: no staleness; notes that may be mere noise are held down."""
    weighting = WEIGHTINGS[settings.rule.weighting]
    if LOSS in weighting.needs:
        contributions = _capped_losses(contributions)
    known = (Facts({name: getattr(c, name) for name in weighting.needs}) for c in contributions)
    trust = trusted(contributions, settings.rule.loss_limit if weighting.needs else math.inf)
    return [weighting.weight(facts, settings) * part for facts, part in zip(known, trust, strict=True)]


def trusted(contributions: Sequence[Contribution], limit: float) -> list[float]:
    """1 for each, less where a reported loss is beyond ``limit`` times the median: (limit x median / loss)^2.

    Hospitals that differ differ by less; what cannot be learnt at all is further off, and pulls for as long as the run
    lasts. Losses that nobody reports, or that noise made negative, say nothing.
    """
    losses = [c.mean_loss for c in contributions]
    median = statistics.median(losses)
    if not (math.isfinite(limit) and median > 0):
        return [1.0] * len(losses)
    return [min(1.0, limit * median / loss) ** 2 if loss > 0 else 1.0 for loss in losses]


def _capped_losses(contributions: Sequence[Contribution]) -> list[Contribution]:
    """``contributions`` with mean losses of at most ``LOSS_CAP`` times their median."""
    most = LOSS_CAP * statistics.median(c.mean_loss for c in contributions)
    return [replace(c, loss_sum=most * c.num_tokens) if c.mean_loss > most else c for c in contributions]


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


def damped_total(
    contributions: Sequence[Contribution], share: Sequence[float], total: int, s: StrategySettings, broad: float = 0.0
) -> int:
    """How much of W a version uses: all of it, or but for relative damping W times the mean staleness factor.

    Relative damping keeps the step's length and only moves it towards fresh updates; absolute damping is FedBuff's:
    each update is scaled by its own factor and nothing is renormalised. Shares s_k hold the factors f_k already, so the
    mean factor under the weights without staleness is ``1 / sum_k (s_k / f_k)``. Fading damping takes the mean under
    the weights that have no share of staleness or intervals: steps that adapt to the delay (arXiv 2206.07638), and to
    updates that come at once (:func:`step_factor`). The ``broad``-er a version (:func:`breadth`), the less it is
    shortened.
    """
    damping = s.rule.damping
    if damping == RELATIVE:
        return total
    factors = [staleness_factor(c.staleness, s.staleness_exponent) for c in contributions]
    if damping == FADING:
        mean = _mean([step_factor(c, s) ** (1.0 - broad) for c in contributions], weights(contributions, s))
    else:
        mean = 1.0 / sum(w / f for w, f in zip(share, factors, strict=True))
    return max(round(total * mean), sum(c.multiplier for c in contributions))


def _mean(values: Sequence[float], by: Sequence[float]) -> float:
    """Mean of ``values`` weighted ``by``, or plain where those are no weights."""
    whole = math.fsum(by)
    if not (math.isfinite(whole) and whole > 0):
        return math.fsum(values) / len(values)
    return math.fsum(w * v for w, v in zip(by, values, strict=True)) / whole


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
