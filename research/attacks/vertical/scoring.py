"""Scores of vertical attacks: shares over victims, and areas under the curve, each against a guess.

Not for: intervals themselves (``research.attacks.statistics``, ``research.attacks.detection``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from research.attacks.detection import auc, auc_gain_intervals
from research.attacks.scores import Score
from research.attacks.statistics import equivalent, mean_interval

Floats = NDArray[np.float64]
FEATURES = 0.05  # of the variance of a victim's features
AUC = 0.05
CONTROL = "vertical control"  # in the note of what must succeed; the least follows it


def share(
    attack: str, view: str, method: str, metric: str, found: Floats, guess: Floats, margin: float, note: str = ""
) -> Score:
    """A mean over victims, ``found`` and ``guess`` [victims], and the gain paired by victim."""
    gain = found - guess
    low, high = mean_interval(gain)
    names = (attack, view, method, "", metric)
    value, base = float(found.mean()), float(guess.mean())
    return Score(*names, value, base, value - base, low, high, len(gain), margin, equivalent(gain, margin), note)


def ranked(
    attack: str, view: str, method: str, metric: str, scores: Floats, labels: Floats, guess: Floats, note: str = ""
) -> Score:
    """An AUC of ``scores`` [victims] for ``labels``, against that of the ``guess`` scores."""
    positive = labels > 0.5
    members, others = (scores[positive], guess[positive]), (scores[~positive], guess[~positive])
    (low, high), (least, most) = auc_gain_intervals(members, others)
    value, base = auc(members[0], others[0]), auc(members[1], others[1])
    verdict = bool(least > -AUC and most < AUC)
    names = (attack, view, method, "", metric)
    return Score(*names, value, base, value - base, low, high, len(scores), AUC, verdict, note)


def control(least: float) -> str:
    """The note of a score that must reach ``least``."""
    return f"{CONTROL}={least:g}"
