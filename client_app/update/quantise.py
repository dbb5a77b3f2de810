"""Delta -> integers: error feedback, clipping to the public range, stochastic rounding.

The unit is ``range / q_max``, the same for every hospital (``crossward.config.schedule``), so the integers of all
hospitals mean the same. What clipping and rounding cut off is returned as the residual that the node adds
to its next delta (error feedback, arXiv 1901.09847); whether it counts depends on what becomes of the update
(``client_app.state.folder``).

Not for: packing the integers (``crossward.encryption.holder``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STRETCH = 1 << 20  # values rounded at a time: temporaries stay small however large the adapter


@dataclass(frozen=True)
class Quantised:
    """Integers to send, and what rounding and clipping left.

    ``values`` [n] in [-q_max, q_max], of the narrowest signed type that holds them; ``residual`` float32 [n];
    ``clipped``: share of values cut off.
    """

    values: NDArray[np.signedinteger]
    residual: NDArray[np.float32]
    clipped: float


def quantise(
    delta: NDArray[np.float32],
    residual: NDArray[np.float32] | None,
    value_range: float,
    q_max: int,
    rng: np.random.Generator,
) -> Quantised:
    """Round ``delta + residual`` (float32 [n]) stochastically to multiples of ``value_range / q_max``.

    Rounding is unbiased: a value x (in units) becomes floor(x) + 1 with probability x - floor(x).

    Raises
    ------
    ValueError
        the delta is not finite.
    """
    check_finite(delta)
    unit = value_range / q_max
    values = np.empty(delta.size, dtype=np.min_scalar_type(-q_max))
    left = np.empty(delta.size, dtype=np.float32)
    cut = 0
    for start in range(0, delta.size, _STRETCH):
        here = slice(start, start + _STRETCH)
        wanted = delta[here].astype(np.float64)
        if residual is not None:
            wanted += residual[here]
        scaled = np.clip(wanted / unit, -q_max, q_max)
        rounded = np.clip(np.floor(scaled + rng.random(scaled.shape)), -q_max, q_max)
        values[here] = rounded
        left[here] = wanted - rounded * unit
        cut += int(np.count_nonzero(np.abs(wanted) > value_range))
    return Quantised(values, left, cut / delta.size if delta.size else 0.0)


def check_finite(delta: NDArray[np.float32]) -> None:
    """Refuse a delta that holds infinities or no numbers: a ValueError that says how many."""
    if not np.isfinite(delta).all():
        raise ValueError(
            f"{int((~np.isfinite(delta)).sum())} of {delta.size} values of the trained delta are not finite: "
            "the training diverged; lower train.learning-rate"
        )
