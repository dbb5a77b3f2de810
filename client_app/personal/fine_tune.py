"""Continue training from the global adapter on the hospital's own notes, as far as its validation patients gain.

A training without the validation patients shows how far to go; where patients are few, a second one on all of them goes
there. How far is a point on the line from the global adapter (share 0) to the trained one (share 1): along it the loss
is smooth, so a few measurements find the least, where stopping early would need a whole schedule for each length tried
(arXiv 2109.01903 interpolates likewise). So a hospital whose own notes do not help keeps the global adapter.

Not for: who validates (``client_app.personal.split``).
"""

from __future__ import annotations

import numpy as np

from client_app.personal.result import GLOBAL, PERSONAL, Personal
from client_app.personal.split import Ints
from client_app.personal.trainer import Given, Trainer
from client_app.training.trained import Vector
from crossward.config.personal_settings import FINE_TUNE

SHARES = (1.0, 0.75, 0.5, 0.25)


def fine_tune(trainer: Trainer, given: Given) -> Personal:
    """A personal adapter by training on for ``given.steps`` steps, twice where the hospital has few patients."""
    split = trainer.split
    if split is None:
        return Personal(blend(given.start, trainer.tune(given), 0.5), FINE_TUNE, given.steps, 0.5)
    trained = trainer.tune(given, split.fit)
    share, validation = best_share(trainer, given.start, trained, split.validation)
    if share == 0.0:
        return Personal(given.start, FINE_TUNE, 0, 0.0, validation)
    if not split.many:
        trained = trainer.tune(given)
    return Personal(blend(given.start, trained, share), FINE_TUNE, given.steps, share, validation)


def best_share(trainer: Trainer, start: Vector, trained: Vector, among: Ints) -> tuple[float, dict[str, float]]:
    """How far from ``start`` to ``trained`` the loss on the notes ``among`` is least, and the losses there and at 0."""
    before = trainer.loss(start, among)
    best, least = 0.0, before
    for share in SHARES:  # convex along the line, to all measurements: after a rise nothing better follows
        loss = trainer.loss(blend(start, trained, share), among)
        if loss >= least:
            if best:
                break
            continue
        best, least = share, loss
    return best, {GLOBAL: before, PERSONAL: least}


def blend(start: Vector, trained: Vector, share: float) -> Vector:
    """The adapter ``share`` of the way from ``start`` to ``trained``, float32 [total]."""
    return trained if share == 1.0 else start + np.float32(share) * (trained - start)
