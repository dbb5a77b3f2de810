"""How well probabilities tell an outcome: AUROC, AUPRC, Brier score and calibration error, intervals by patient.

There is one row a patient, so the bootstrap draws patients.

Not for: models.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from client_app.vertical.learning.arrays import Doubles, Ints

BINS = 10
DRAWS = 1000


@dataclass(frozen=True)
class Metrics:
    """Figures of ``patients`` patients, ``positive`` of whom have the outcome; intervals are 95 %.

    AUROC and AUPRC (average precision) are None where all have it or none has.
    """

    patients: int
    positive: int
    auroc: float | None
    auroc_interval: tuple[float, float] | None
    auprc: float | None
    auprc_interval: tuple[float, float] | None
    brier: float | None
    calibration_error: float | None

    def row(self) -> dict[str, object]:
        """As a row of JSON."""
        return asdict(self)


def metrics(outcomes: NDArray[np.integer], probabilities: Doubles, seed: int = 0, draws: int = DRAWS) -> Metrics:
    """Figures of ``probabilities`` float64 [n] for ``outcomes`` 0 or 1 [n]; ``draws`` bootstrap samples."""
    labels = np.asarray(outcomes).astype(np.int64)
    count, positive = len(labels), int(labels.sum())
    if count == 0:
        return Metrics(0, 0, None, None, None, None, None, None)
    brier = float(brier_score_loss(labels, probabilities, labels=[0, 1]))
    error = calibration_error(labels, probabilities)
    if positive in (0, count):
        return Metrics(count, positive, None, None, None, None, brier, error)
    rng = np.random.default_rng(seed)
    sampled: list[tuple[float, float]] = []
    while len(sampled) < draws:  # both classes have a patient: a draw with both comes soon
        drawn = rng.integers(count, size=count)
        if 0 < labels[drawn].sum() < count:
            sampled.append(_areas(labels[drawn], probabilities[drawn]))
    low, high = np.quantile(np.array(sampled), [0.025, 0.975], axis=0)
    auroc, auprc = _areas(labels, probabilities)
    return Metrics(
        patients=count,
        positive=positive,
        auroc=auroc,
        auroc_interval=(float(low[0]), float(high[0])),
        auprc=auprc,
        auprc_interval=(float(low[1]), float(high[1])),
        brier=brier,
        calibration_error=error,
    )


def _areas(labels: Ints, probabilities: Doubles) -> tuple[float, float]:
    return float(roc_auc_score(labels, probabilities)), float(average_precision_score(labels, probabilities))


def calibration_error(labels: Ints, probabilities: Doubles, bins: int = BINS) -> float:
    """Expected calibration error of the outcome's probability, over ``bins`` of equally many patients (1909.10155)."""
    order = np.argsort(probabilities, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    off = [abs(float(labels[part].mean() - probabilities[part].mean())) * len(part) for part in parts]
    return float(sum(off) / len(labels))
