"""Means over seeds, and paired differences: do two methods differ, and are they the same within a margin?

Seeds are few, so intervals are Student's. Equality is never concluded from intervals that overlap: a margin fixed
beforehand must hold the whole 90 % interval of the paired difference (two one-sided t tests at 5 %; Schuirmann 1987).

Not for: intervals over patients (``crossward.protocol.measures``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

Facts = dict[str, Any]


def spread(values: Sequence[float | None]) -> Facts:
    """``mean``, ``sd`` (n - 1), 95 % ``low`` and ``high`` of the mean, and the ``values``; None where unknown."""
    known = [float(v) for v in values if v is not None]
    out: Facts = {"mean": None, "sd": None, "low": None, "high": None, "values": list(values)}
    if known:
        out["mean"] = float(np.mean(known))
    if len(known) > 1:
        sd = float(np.std(known, ddof=1))
        half = float(stats.t.ppf(0.975, len(known) - 1)) * sd / math.sqrt(len(known))
        out |= {"sd": sd, "low": out["mean"] - half, "high": out["mean"] + half}
    return out


def paired(ours: Sequence[float | None], theirs: Sequence[float | None], margin: float) -> Facts:
    """Ours minus theirs, seed by seed.

    ``difference`` with its 90 % interval ``low90`` to ``high90``, ``p`` of the paired t test, ``equivalent`` (the
    interval lies within ``margin``), ``within_spread`` (the mean difference is no more than theirs' standard deviation
    over seeds, ``spread_of_other``). None where fewer than two seeds have both.
    """
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if a is not None and b is not None]
    out: Facts = {"margin": margin, "seeds": len(pairs)}
    out |= dict.fromkeys(("difference", "low90", "high90", "p", "equivalent", "within_spread", "spread_of_other"))
    if len(pairs) < 2:
        return out
    gaps = np.array([a - b for a, b in pairs])
    mean, sd = float(gaps.mean()), float(gaps.std(ddof=1))
    error = sd / math.sqrt(len(gaps))
    half = float(stats.t.ppf(0.95, len(gaps) - 1)) * error
    theirs_sd = float(np.std([b for _, b in pairs], ddof=1))
    p = float(2 * stats.t.sf(abs(mean) / error, len(gaps) - 1)) if error > 0 else float(mean == 0)
    return out | {
        "difference": mean,
        "low90": mean - half,
        "high90": mean + half,
        "p": p,
        "equivalent": bool(-margin < mean - half and mean + half < margin),
        "within_spread": bool(abs(mean) <= theirs_sd),
        "spread_of_other": theirs_sd,
    }
