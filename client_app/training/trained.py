"""Result of a local training, and what is reported beside the sealed update.

The sealed update reveals nothing to the aggregator; numbers beside it do. Somebody who knows a patient can guess a
little better than by chance from the training loss alone whether a small hospital trained on them (``crossward attack
--only reported``), and somebody who knows all other patients is certain from the number of examples. So a node reports
neither exactly unless the run's weights need it. In place of a rounded training loss it reports a noisy held-out loss
where it has held-out patients enough (``client_app.update.held_out_loss``).

Not for: training (``client_app.training.learner``), what an epsilon covers (``crossward.privacy``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crossward.config.schedule import Schedule

Vector = NDArray[np.float32]
LEAST_COUNT, MOST_COUNT = 4, 14  # of a reported size, log2: beyond them hospitals' weights differ no further


@dataclass(frozen=True)
class Trained:
    """Outcome of a local training: ``vector`` float32 [total], which becomes the node's own, and public facts.

    ``loss_sum`` (nats) is summed over exactly ``num_tokens`` predicted tokens; ``num_examples`` is the size of the
    training set in examples. Of a private training ``loss_sum`` is 0.0, as it would reveal the notes, and both counts
    are public numbers. ``held_out`` has the mean loss of each patient of a sample of held-out notes under the model
    that the training started from, nats a token; empty where none was measured.
    """

    vector: Vector
    num_examples: int
    num_tokens: int
    loss_sum: float
    steps: int
    held_out: tuple[float, ...] = ()


def unreported(trained: Trained, schedule: Schedule) -> Trained:
    """``trained`` with public constants in place of what would reveal the notes: one example, one token, no loss."""
    return replace(trained, num_examples=1, num_tokens=1, loss_sum=0.0, steps=schedule.local_steps)


def uncounted(trained: Trained) -> Trained:
    """``trained`` without the size of the training set."""
    return replace(trained, num_examples=1)


def rough_count(trained: Trained) -> Trained:
    """``trained`` with the size of the training set as the nearest power of two, from 16 to 16,384.

    Whoever knows all patients but one could otherwise infer from it whether that one is in the set.
    """
    power = min(max(round(math.log2(max(trained.num_examples, 1))), LEAST_COUNT), MOST_COUNT)
    return replace(trained, num_examples=1 << power)


def coarse(trained: Trained, grid: float) -> Trained:
    """``trained`` with its mean loss rounded to a power of ``grid``, at least 1.0 (which leaves it exact).

    Rounded the same way every time, not at random: the mean over a run's versions would undo random rounding.
    """
    if grid <= 1.0 or not trained.loss_sum > 0.0:
        return trained
    return replace(trained, loss_sum=on_grid(trained.loss_sum / trained.num_tokens, grid) * trained.num_tokens)


def on_grid(mean: float, grid: float) -> float:
    """The power of ``grid`` (above 1.0) that is nearest, by ratio, to ``mean`` (above 0.0)."""
    step = math.log(grid)
    return math.exp(round(math.log(mean) / step) * step)
