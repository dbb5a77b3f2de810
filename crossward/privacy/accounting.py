"""What noise costs in epsilon, and how much noise a budget takes: dp-accounting's RDP and PLD accountants.

The mechanism is the Gaussian one on a sum over a Poisson sample: every unit enters a step independently with
probability q, and the noise has a standard deviation of ``noise_multiplier`` times the sum's sensitivity. A q of 1 is
the plain Gaussian mechanism. Any other sampling (shuffled epochs, fixed batches, hospitals that come when they are
ready) is not covered by these numbers.

In neighbouring data sets one unit's notes are replaced by nothing, while the number N of units stays (zero-out): q is
batch / N, so that a reported epsilon reveals N, which therefore counts as public. The steps' distributions are those
that accountants call add/remove at a given q, with or without the unit's vector in the sum, and so are the numbers;
but that *N* is what it is, is not protected by them.

``pld``: the privacy loss distribution composed by FFT (arXiv 2207.04380; the PRV accountant of arXiv 2106.02848 is of
this kind), rounded pessimistically, so that its epsilon is an upper bound. ``rdp``: Renyi DP of the subsampled Gaussian
(arXiv 1908.10530), looser and faster.

Not for: making noise (``crossward.privacy.mechanism``) or deciding who spends what (``client_app``, ``strategies``).
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dp_accounting import dp_event, pld, rdp

RDP, PLD = "rdp", "pld"
GRID = 128  # noise multipliers are whole multiples of 1/GRID
LEAST_NOISE = 1 / GRID  # below it epsilon runs into the thousands, and far below accountants lose their numbers
# Orders of RDP: between whole numbers only where large epsilons have their best one, as those take long to compute.
ORDERS = (*(1 + i / 4 for i in range(1, 16)), *range(5, 64), 80, 96, 128, 256, 512, 1024)
_MOST_NOISE = 1 << 20  # in units of 1/GRID
# Fractional orders of which dp-accounting's series does not converge are left out by it, soundly, but each time aloud.
logging.getLogger("absl").addFilter(lambda record: "_compute_log_a_frac" not in str(record.msg))


@dataclass(frozen=True)
class Spent:
    """``steps`` steps of the subsampled Gaussian at ``sampling_rate`` in (0, 1].

    ``noise_multiplier`` is at least ``LEAST_NOISE``.
    """

    sampling_rate: float
    noise_multiplier: float
    steps: int

    def __post_init__(self) -> None:
        if not 0.0 < self.sampling_rate <= 1.0:
            raise ValueError(f"a sampling rate of {self.sampling_rate} was given; it lies above 0 and is at most 1")
        if not (LEAST_NOISE <= self.noise_multiplier < math.inf):
            raise ValueError(
                f"a noise multiplier of {self.noise_multiplier} was given; it must be at least {LEAST_NOISE} and finite"
            )
        if self.steps < 0:
            raise ValueError(f"{self.steps} steps were given; there cannot be fewer than 0")


def epsilon(spent: Iterable[Spent], delta: float, accountant: str = PLD) -> float:
    """Epsilon at ``delta`` of everything in ``spent``, one after the other, on the same data; 0.0 for nothing.

    Raises
    ------
    ValueError
        ``delta`` is not within (0, 1), or the accountant is neither ``rdp`` nor ``pld``.
    """
    if not 0.0 < delta < 1.0:
        raise ValueError(f"delta = {delta}: expected a number between 0 and 1")
    if accountant not in (RDP, PLD):
        raise ValueError(f"accountant {accountant!r}: expected {RDP!r} or {PLD!r}")
    steps: dict[tuple[float, float], int] = {}
    for one in spent:
        key = (one.sampling_rate, one.noise_multiplier)
        steps[key] = steps.get(key, 0) + one.steps
    whole = tuple(Spent(q, noise, count) for (q, noise), count in sorted(steps.items()) if count)
    return _epsilon(whole, delta, accountant) if whole else 0.0


def _event(one: Spent) -> dp_event.DpEvent:
    noise = dp_event.GaussianDpEvent(one.noise_multiplier)
    step = noise if one.sampling_rate == 1.0 else dp_event.PoissonSampledDpEvent(one.sampling_rate, noise)
    return dp_event.SelfComposedDpEvent(step, one.steps)


@functools.lru_cache(maxsize=4096)
def _epsilon(spent: tuple[Spent, ...], delta: float, accountant: str) -> float:
    events = dp_event.ComposedDpEvent([_event(one) for one in spent])
    loose = float(rdp.RdpAccountant(ORDERS).compose(events).get_epsilon(delta))
    if accountant == RDP or not loose < 1e5:  # a budget like that protects nobody, however sharply it is computed
        return loose
    # A grid finer than the answer needs takes minutes where epsilon is large; a coarser one only rounds further up.
    interval = 2.0 ** math.ceil(math.log2(max(loose, 1.0) * 1e-4))
    exact = pld.PLDAccountant(value_discretization_interval=interval).compose(events).get_epsilon(delta)
    return min(float(exact), loose)  # both are upper bounds


@functools.lru_cache(maxsize=256)
def noise_for(budget: float, delta: float, sampling_rate: float, steps: int, accountant: str = PLD) -> float:
    """The least noise multiplier, a multiple of 1/128, with which ``steps`` steps cost at most ``budget``.

    The coarse grid makes it the same number on every machine, whatever its floating-point library's last bits.

    Raises
    ------
    ValueError
        the budget is not above 0, or no noise multiplier up to 8192 keeps it.
    """
    if not budget > 0.0:
        raise ValueError(f"epsilon = {budget}: a budget is above 0")

    def keeps(number: int, how: str) -> bool:
        return epsilon([Spent(sampling_rate, number / GRID, steps)], delta, how) <= budget

    low, high = 0, 1
    while not keeps(high, RDP):
        low, high = high, 2 * high
        if high > _MOST_NOISE:
            raise ValueError(f"no noise multiplier up to {_MOST_NOISE // GRID} keeps {steps} steps within {budget}")
    high = _least(low, high, lambda number: keeps(number, RDP))
    if accountant == RDP:
        return high / GRID
    step = max(high // 16, 1)  # the exact answer is a little below the loose one
    while high > step and keeps(high - step, accountant):
        high, step = high - step, 2 * step
    return _least(max(high - step, 0), high, lambda number: keeps(number, accountant)) / GRID


def _least(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The least number above ``low`` for which ``holds``, given that it holds for ``high``."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
