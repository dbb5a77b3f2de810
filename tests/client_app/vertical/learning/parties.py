"""Two small parties whose tables decide an outcome together: neither does alone."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client_app.vertical.learning.bottoms import Bottom, BottomSettings, Opening, open_bottom
from client_app.vertical.learning.fitting import FitSettings

PATIENTS = 300
QUICK = BottomSettings(dim=4, hidden=16, represent=FitSettings(epochs=2))


def features(values: NDArray[np.float64]) -> Any:
    """A party with a table alone."""
    return SimpleNamespace(values=values, names=tuple(f"f{i}" for i in range(values.shape[1])), notes=None)


@cache
def tables() -> tuple[Any, Any, NDArray[np.float32]]:
    """Two parties' features and the outcomes float32 [patients], the sign of a sum over both."""
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=(PATIENTS, 3)), rng.normal(size=(PATIENTS, 4))
    outcome = (first[:, 0] + second[:, 1] + 0.3 * rng.normal(size=PATIENTS) > 0.5).astype(np.float32)
    first[rng.random(first.shape) < 0.1] = np.nan
    return features(first * 7 + 100), features(second), outcome


def opened(party: Any, settings: BottomSettings = QUICK, seed: int = 0) -> Bottom:
    """A bottom that has learnt to represent."""
    bottom = open_bottom(party, Opening(bottom=settings, seed=seed))
    bottom.represent(seed)
    return bottom
