"""How much noise the sum of hospitals' updates takes, and the epsilon that it gives to a hospital.

The mechanism. Every contributor of a version bounds its integers to an L2 norm of B and adds its own share
``N_Z(0, sigma^2)`` to each of them before sealing; what anybody reads is the sum. With at least ``honest`` contributors
who keep their shares to themselves, ``sigma = z B / sqrt(honest)`` gives that sum noise of ``z B``, whoever drops out;
``z`` is the noise multiplier. The sum of discrete Gaussians is none, but Renyi-close to one: arXiv 2102.06387,
Theorem 1 and equation (17), bounds a version by ``rdp(a) = a / (2 z^2) + tau d``, ``tau = 10 sum_k exp(-2 pi^2 sigma^2
k/(k+1))``, k = 1..honest-1. With sigma of at least 4 units and d of at most 2**32 values the second term is below
1e-55 a contributor; it is added all the same. Versions compose by adding (every version counts: no amplification by
sampling is claimed, for an asynchronous buffer is no sample and a synchronous round's cohort is public).

What is protected. Two data sets are neighbours when one hospital's integers are replaced with zeros (zero-out): that
it contributes, when, and its share of the noise stay. Who contributes is public in the ledger, so "added or removed"
would promise what the ledger does not keep. Against replacing a hospital's data by any other (sensitivity 2B) the same
noise counts as a multiplier of z / 2.

The promise is one run's: runs on the same data add up. It holds for what the ledger counts, so for an aggregator that
keeps to the protocol and holds no key.

What the sampler costs. Its values differ from the discrete Gaussian by less than 2**-104 each
(``crossward.privacy.discrete``; the mass beyond 12 sigma), so over d values, ``honest`` shares and the versions epsilon
holds with ``(1 + e^epsilon)`` times that more of delta. A thousandth of delta is set aside for it; where that is not
enough (epsilon beyond about 27) no epsilon is claimed.

Arithmetic on public numbers: server, protocol and nodes import it (``tests/test_imports.py``), so it imports no torch,
nothing of ours and nothing that draws noise.

Not for: clipping and rounding (``client_app.update.hospital_noise``), DP-SGD within a hospital.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from dp_accounting import rdp

TAIL = 12  # standard deviations of a share beyond which its sampler gives nothing
DISTANCE = 2.0**-104  # total variation between the sampler's values and the discrete Gaussian's, each
MOST_VALUES = 2**32  # of an adapter: the bounds hold for any dimension up to here, so that none need be known
GRID = 128  # calibrated multipliers are whole multiples of 1 / GRID: the same on every machine
LEAST_BOUND = 64  # units: below, rounding would take more of an update than clipping leaves
LEAST_SIGMA = 4.0  # units: below, a sum of discrete Gaussians is not close enough to one
SET_ASIDE = 1e-3  # share of delta for what the sampler's values differ by
_ROOM = 1 / 256  # of the range, for rounding sigma and the tail up
_ORDERS = 1.0 + np.geomspace(0.011, 1e6, 600)


@dataclass(frozen=True)
class Shares:
    """The mechanism in units of the integers: ``bound`` B on the L2 norm, ``sigma`` and ``tail`` of a noise share."""

    bound: int
    sigma: float
    tail: int


@dataclass(frozen=True)
class HospitalMechanism:
    """Noise shares of one run: ``noise_multiplier`` z, ``honest`` shares that must carry it, ``clip`` in weights.

    ``clip`` is the L2 bound of an update at the first scale epoch; it halves with every further one, as the units do.
    """

    noise_multiplier: float
    honest: int
    clip: float

    def __post_init__(self) -> None:
        if self.noise_multiplier <= 0 or self.honest < 1 or self.clip <= 0:
            raise ValueError(
                f"noise multiplier {self.noise_multiplier}, honest shares {self.honest}, clip {self.clip}: expected "
                "numbers above 0"
            )

    @property
    def reach(self) -> float:
        """The public range in units of the clip: room for a value and the tail of one noise share."""
        return (1.0 + TAIL * self.noise_multiplier / math.sqrt(self.honest)) * (1.0 + _ROOM)

    def shares(self, q_max: int) -> Shares:
        """The mechanism where integers lie in [-q_max, q_max] and ``reach`` times the clip is q_max units.

        Raises
        ------
        ValueError
            the integers are too coarse; the message says how many value bits would do.
        """
        bound = math.floor(q_max / self.reach)
        sigma = math.ceil(256.0 * self.noise_multiplier * bound / math.sqrt(self.honest)) / 256.0
        tail = math.ceil(TAIL * sigma)
        if bound < LEAST_BOUND or sigma < LEAST_SIGMA or bound + tail > q_max:
            raise ValueError(
                f"encryption.plan: {q_max.bit_length() + 1} value bits leave an update bounded to {bound} units and "
                f"noise of {sigma:.3g} units a hospital (privacy.noise-multiplier {self.noise_multiplier:g}, "
                f"{self.honest} shares): expected at least {LEAST_BOUND} and {LEAST_SIGMA:g}. Use "
                f"{self.least_bits()} value bits or more, or no encryption.plan"
            )
        return Shares(bound, sigma, tail)

    def least_bits(self) -> int:
        """Fewest value bits that are fine enough."""
        per_bound = self.noise_multiplier / math.sqrt(self.honest)
        bound = max(LEAST_BOUND, LEAST_SIGMA / per_bound) + 1
        return max(math.ceil(bound * self.reach).bit_length() + 1, 10)

    def rdp(self, versions: int) -> np.ndarray:
        """Renyi divergence of ``versions`` versions at every order, float64."""
        tau = 10.0 * (self.honest - 1) * math.exp(-(math.pi**2) * LEAST_SIGMA**2)  # k / (k + 1) is at least a half
        return np.asarray(versions * (_ORDERS / (2.0 * self.noise_multiplier**2) + tau * MOST_VALUES))

    def epsilon(self, versions: int, delta: float) -> float:
        """Epsilon at ``delta`` of a hospital that took part in ``versions`` versions; inf where none can be claimed."""
        return _epsilon(self.noise_multiplier, self.honest, versions, delta)

    def alone(self) -> HospitalMechanism:
        """The same seen by who reads a single update: its own share of the noise is all that protects it."""
        return HospitalMechanism(self.noise_multiplier / math.sqrt(self.honest), 1, self.clip)


@lru_cache(maxsize=4096)
def _epsilon(noise_multiplier: float, honest: int, versions: int, delta: float) -> float:
    if versions == 0:
        return 0.0
    curve = HospitalMechanism(noise_multiplier, honest, 1.0).rdp(versions)
    found = float(rdp.compute_epsilon(_ORDERS.tolist(), curve.tolist(), (1.0 - SET_ASIDE) * delta)[0])
    off = DISTANCE * MOST_VALUES * honest * versions
    if found > 700 or (1.0 + math.exp(found)) * off > SET_ASIDE * delta:
        return math.inf
    return found


def calibrate(epsilon: float, delta: float, versions: int, honest: int) -> float:
    """Least noise multiplier on the grid that keeps ``versions`` versions within ``epsilon`` at ``delta``.

    Raises
    ------
    ValueError
        no multiplier up to a million does.
    """
    low, high = 0, GRID  # low is too little noise; high grows until it is enough
    while _epsilon(high / GRID, honest, versions, delta) > epsilon:
        low, high = high, 2 * high
        if high > GRID * 10**6:
            raise ValueError(f"no noise keeps {versions} versions within epsilon {epsilon} at delta {delta}")
    while high - low > 1:
        middle = (low + high) // 2
        if _epsilon(middle / GRID, honest, versions, delta) > epsilon:
            low = middle
        else:
            high = middle
    return high / GRID
