"""Intervals over victims, and whether a gain is equivalent to nothing.

Not for: what the margin is (``evaluation.attacks.margins``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
RESAMPLES = 4000


def mean_interval(values: Values, level: float, rng: np.random.Generator) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of ``values`` (float64 [n], one a victim) at ``level``."""
    values = np.asarray(values, dtype=np.float64)
    means = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def equivalent(values: Values, margin: float, level: float = 0.05) -> bool:
    """Whether two one-sided t tests at ``level`` both reject that the mean of ``values`` lies outside the margin."""
    from scipy.stats import t  # type: ignore[import-untyped]

    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return False
    reach = float(t.ppf(1 - level, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return bool(abs(values.mean()) + reach < margin)
