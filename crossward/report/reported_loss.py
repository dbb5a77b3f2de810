"""Form of the reported training loss: exact, or rounded so that it reveals little about single patients.

A rounded loss moves in steps, so it is shown under its own name and never drawn as a curve: what a run achieves is in
the held-out loss. An estimate of that, with noise, is what most hospitals report instead. An ``ExactLoss`` is for
whoever runs a simulation, where every hospital is on the same machine (``crossward.launcher.exact_losses``); the
ServerApp has none.

Not for: rounding (hospitals do) or what of a rounded loss is given away (``docs/threat-model.md``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from crossward.config.run_config import RunConfig

ExactLoss = Callable[[int], float | None]
"""The mean training loss (nats a token) of a task number as its hospital has it; None where that is not known."""


def rounding(grid: float) -> str:
    """How a run with ``train.loss-grid`` has hospitals round the loss they report; empty where it is exact."""
    return f"rounded to powers of {grid:g}" if grid > 1.0 else ""


def reported_as(rounding: str, noisy: bool) -> str:
    """What the losses beside updates are: with ``noisy`` ones among them, else all with ``rounding``."""
    trained = f"of a hospital's last training, {rounding or 'exact'}"
    if not noisy:
        return trained
    return (
        "with ±, estimated from held-out notes with noise for privacy, whose standard deviation it is; "
        f"others {trained}"
    )


def rounding_in(folder: Path) -> str:
    """:func:`rounding` of the run in ``folder``; of one whose settings cannot be read nothing is known."""
    try:
        given = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
        return rounding(RunConfig.stored(given).train.loss_grid)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def exact_mean(tasks: Sequence[int], weights: Sequence[int], exact: ExactLoss) -> float | None:
    """A version's exact training loss: the mean of its updates' by their integer ``weights``, if all are known."""
    losses = [exact(task) for task in tasks]
    known = [loss for loss in losses if loss is not None]
    if not known or len(known) < len(losses):
        return None
    return sum(loss * weight for loss, weight in zip(known, weights, strict=True)) / sum(weights)
