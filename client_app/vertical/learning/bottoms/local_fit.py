"""How a party follows the label holder's targets: ridge regression of the wanted moves on the encoder's features.

As in gradient-assisted learning (arXiv 2106.01425) a party fits what it was sent by itself, here in closed form. Each
patient's move is predicted by a fit to other patients (five folds). A fit to a patient's own target would put that
patient's label into the embedding: the top model would then learn from embeddings of training patients what no other
patient's hold. The penalty is the one with the least error on patients that were left out, which is none at all where
targets cannot be told from features.

Not for: what targets are (``client_app.vertical.learning.exchange``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from client_app.vertical.learning.arrays import Doubles

FOLDS = 5
PENALTIES = 10.0 ** np.arange(-1, 5, 0.5)
"""Of standardised features, as a share of the number of patients."""


@dataclass(frozen=True)
class LocalFit:
    """Moves by ``weight`` float64 [features, dim] and ``bias`` [dim] of the features of any patient.

    ``left_out`` float64 [n, dim] are the moves of the patients fitted to, each by a fit to others. ``explained`` is the
    share of the wanted moves' squares that these explain, 0 where nothing moves.
    """

    weight: Doubles
    bias: Doubles
    left_out: Doubles
    explained: float


def local_fit(features: Doubles, wanted: Doubles, seed: int) -> LocalFit:
    """Fit moves ``wanted`` float64 [n, dim] by ``features`` float64 [n, f]; ``seed`` decides the folds."""
    count, dim = wanted.shape
    still = LocalFit(np.zeros((features.shape[1], dim)), np.zeros(dim), np.zeros_like(wanted), 0.0)
    if count < 2 * FOLDS:
        return still
    fold = np.random.default_rng(seed).permutation(count) % FOLDS
    fits = [_ridges(features[fold != one], wanted[fold != one]) for one in range(FOLDS)]
    left_out = np.zeros((len(PENALTIES), count, dim))
    for one, (weights, biases) in enumerate(fits):
        left_out[:, fold == one] = _times(features[fold == one], weights) + biases[:, None]
    errors = np.square(left_out - wanted).sum((1, 2))
    best, nothing = int(errors.argmin()), float(np.square(wanted).sum())
    if not errors[best] < nothing:
        return still
    weight = np.mean([weights[best] for weights, _ in fits], 0)
    bias = np.mean([biases[best] for _, biases in fits], 0)
    return LocalFit(weight, bias, left_out[best], 1.0 - float(errors[best]) / nothing)


def _ridges(features: Doubles, wanted: Doubles) -> tuple[Doubles, Doubles]:
    """Ridge regressions with every penalty: weights [penalties, f, dim] and biases [penalties, dim]."""
    mean, deviation = features.mean(0), features.std(0)
    scale = np.where(deviation > 1e-9, 1.0 / np.maximum(deviation, 1e-9), 0.0)  # a constant one says nothing
    centre = wanted.mean(0)
    standard = torch.from_numpy((features - mean) * scale)
    # by torch, whose decomposition of a few hundred features takes milliseconds where numpy's takes a second
    values, vectors = torch.linalg.eigh(standard.T @ standard / len(standard))
    along = vectors.T @ (standard.T @ torch.from_numpy(wanted - centre)) / len(standard)
    shrunk = along / (values.clamp_min(0.0)[:, None] + torch.from_numpy(PENALTIES)[:, None, None])
    weights: Doubles = (vectors @ shrunk).numpy() * scale[:, None]
    return weights, centre - _times(mean, weights)


def _times(features: Doubles, weights: Doubles) -> Doubles:
    """``features`` [..., f] by each of ``weights`` [penalties, f, dim]."""
    product: Doubles = (torch.from_numpy(features) @ torch.from_numpy(weights)).numpy()
    return product
