"""Minibatch training of small modules with AdamW, stopped early by a score on other patients.

Not for: a language model's factors (``client_app.vertical.learning.bottoms.hidden_states``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from client_app.vertical.learning.arrays import Ints, LearningError


@dataclass(frozen=True)
class FitSettings:
    """``epochs`` at most, stopped ``patience`` epochs after the best; gradients are cut at norm 1."""

    epochs: int = 60
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    patience: int = 10


@dataclass(frozen=True)
class Fit:
    """``epochs`` trained, of which ``best`` were kept, and the ``score`` there (NaN: none); the last mean ``loss``."""

    epochs: int
    best: int
    score: float
    loss: float


def batches(rows: Ints, size: int, rng: np.random.Generator) -> list[Ints]:
    """``rows`` in a random order, in parts of about ``size``; the last is no smaller than half."""
    return np.array_split(rng.permutation(rows), max(1, round(len(rows) / size)))


def fit(
    module: torch.nn.Module,
    loss_of: Callable[[Ints], torch.Tensor],
    rows: Ints,
    settings: FitSettings,
    seed: int,
    score: Callable[[], float] | None = None,
) -> Fit:
    """Train ``module``'s weights, in place, on ``loss_of`` batches of ``rows``; ``score`` is to be low.

    With ``score`` the weights with the best one are kept, those before the first epoch included.

    Raises
    ------
    LearningError
        there is no row, or the loss is not finite.
    """
    if not len(rows):
        raise LearningError("there is no patient to learn from: check how many are in common, and who has an outcome.")
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    rng = np.random.default_rng(seed)
    best, best_score, kept = 0, float("nan"), None
    if score is not None:
        best_score, kept = score(), copy.deepcopy(module.state_dict())
    epoch, loss = 0, float("nan")
    for epoch in range(1, settings.epochs + 1):
        module.train()
        loss = _epoch(weights, optimizer, loss_of, batches(rows, settings.batch, rng))
        module.eval()
        if score is None:
            best = epoch
            continue
        now = score()
        if not now >= best_score:
            best, best_score, kept = epoch, now, copy.deepcopy(module.state_dict())
        elif epoch - best >= settings.patience:
            break
    if kept is not None:
        module.load_state_dict(kept)
    module.eval()
    return Fit(epoch, best, best_score, loss)


def _epoch(
    weights: list[torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[Ints], torch.Tensor],
    parts: list[Ints],
) -> float:
    total = 0.0
    for part in parts:
        loss = loss_of(part)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        total += float(loss.detach())
    if not np.isfinite(total):
        raise LearningError("the loss is not finite: training diverged; lower the learning rate or check the values.")
    return total / len(parts)
