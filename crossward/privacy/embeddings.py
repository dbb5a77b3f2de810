"""Embeddings of patients, clipped and noised before they leave a party: a patient-level (epsilon, delta).

The mechanism is the Gaussian one, a row a patient: ``min(1, C / |h|) h + N(0, (z s)^2 I)`` with the clip C, the noise
multiplier z and the sensitivity s. Every exchange releases every aligned patient's row once; R exchanges are R releases
of the same patient and compose (averaging them is what an attacker would do, and what composition pays for).

Neighbouring data sets, by :class:`Relation`. ``REPLACED``: one patient's features are replaced by any others', so that
its row moves by 2C at most. ``ZEROED``: they are replaced by nothing, a row of zeros, and it moves by C; that is the
relation of DP-SGD's numbers in this package (:mod:`crossward.privacy.accounting`). In both the patient stays in the
intersection: **that somebody is a patient of both parties is not protected**, nor is an outcome.

What a given epsilon covers. A row depends on its patient's features, and through the bottom model's weights on every
patient's that it was trained on. For *fixed* weights (pretrained, or fitted on other patients) the epsilon covers all
that is sent. For weights trained on the patient by DP-SGD, its steps are composed in (``bottom``). For weights trained
without noise the epsilon is one *given the bottom model*: it bounds what a patient's own row reveals, and not what the
weights reveal of it in others' rows. :meth:`EmbeddingNoise.covers` is the sentence to report.

Not for: clipping gradients (``crossward.privacy.clipping``), how noise is drawn (``crossward.privacy.noise``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossward.privacy.accounting import PLD, Spent, epsilon, noise_for
from crossward.privacy.noise import Floats, secret_normals


class Relation(StrEnum):
    """What one patient's features are replaced with in neighbouring data sets."""

    REPLACED = "replaced"
    ZEROED = "zeroed"


class Bottom(StrEnum):
    """How the weights of a party's bottom model depend on its patients."""

    FIXED = "fixed"
    PRIVATE = "private"
    TRAINED = "trained"


def clip_rows(embeddings: ArrayLike, clip: float) -> NDArray[np.float64]:
    """Rows [n, d] cut to an L2 norm of ``clip``, float64.

    A row that is not finite becomes 0: stopping there would reveal it.

    Raises
    ------
    ValueError
        ``clip`` is not above 0, or ``embeddings`` is no matrix.
    """
    found = np.asarray(embeddings, dtype=np.float64)
    if found.ndim != 2:
        raise ValueError(f"embeddings of shape {found.shape} were given; expected a row a patient")
    if not 0.0 < clip < math.inf:
        raise ValueError(f"embeddings are to be clipped to {clip}; expected a number above 0")
    sound = np.isfinite(found).all(axis=1, keepdims=True)
    found = np.where(sound, found, 0.0)
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found * np.minimum(1.0, clip / np.maximum(norms, 1e-300)), dtype=np.float64)


@dataclass(frozen=True)
class EmbeddingNoise:
    """The mechanism of one party: ``clip`` C, ``noise_multiplier`` z in units of the sensitivity, and the relation."""

    clip: float
    noise_multiplier: float
    relation: Relation = Relation.REPLACED

    def __post_init__(self) -> None:
        if not 0.0 < self.clip < math.inf:
            raise ValueError(f"embeddings are to be clipped to {self.clip}; expected a number above 0")
        self.spent(0)  # which checks the multiplier

    @classmethod
    def calibrated(
        cls,
        clip: float,
        budget: float,
        delta: float,
        releases: int,
        relation: Relation = Relation.REPLACED,
    ) -> EmbeddingNoise:
        """The least noise, on a grid of 1/128, with which ``releases`` releases cost at most an epsilon of ``budget``.

        Raises
        ------
        ValueError
            there is no such noise, or ``releases`` is below 1.
        """
        if releases < 1:
            raise ValueError(f"{releases} releases of embeddings were planned; expected at least 1")
        return cls(clip, noise_for(budget, delta, 1.0, releases), relation)

    @property
    def sensitivity(self) -> float:
        """Most that a release changes, in L2, between neighbouring data sets."""
        return self.clip * (2.0 if self.relation is Relation.REPLACED else 1.0)

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise on each value."""
        return self.noise_multiplier * self.sensitivity

    def __call__(self, embeddings: ArrayLike, normals: Callable[[int], Floats] = secret_normals) -> NDArray[np.float32]:
        """One release of ``embeddings`` [n, d]: clipped, noised in float64, rounded to float32."""
        clipped = clip_rows(embeddings, self.clip)
        noised = clipped + self.deviation * normals(clipped.size).reshape(clipped.shape)
        return noised.astype(np.float32)

    def spent(self, releases: int) -> Spent:
        """What ``releases`` releases are to an accountant."""
        return Spent(1.0, self.noise_multiplier, releases)

    def epsilon(self, releases: int, delta: float, bottom: Iterable[Spent] = (), accountant: str = PLD) -> float:
        """Epsilon at ``delta`` of ``releases`` releases and of the steps of DP-SGD that the bottom model took.

        Raises
        ------
        ValueError
            steps of DP-SGD are to be composed under ``REPLACED``: their numbers are of ``ZEROED``.
        """
        steps = list(bottom)
        if steps and self.relation is Relation.REPLACED:
            raise ValueError(
                "the bottom model's DP-SGD is accounted for a patient whose features are zeroed; noise embeddings "
                "under that relation as well, so that both may be added up"
            )
        return epsilon([self.spent(releases), *steps], delta, accountant)

    def covers(self, bottom: Bottom) -> str:
        """What the epsilon is a statement about, in one sentence for records and reports."""
        unit = f"one patient's features, {self.relation.value}; not that it is a patient of both, and not its outcome"
        if bottom is Bottom.TRAINED:
            return f"{unit}; given the bottom model, whose weights were trained on patients without noise"
        return unit
