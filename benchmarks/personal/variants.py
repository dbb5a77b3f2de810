"""Other ways to a personal adapter, which the product does not have; each is measured as it is.

Not for: the product's methods (``client_app.personal.methods``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.personal.consortium import Consortium
from benchmarks.personal.fedalt import mixed_measure
from benchmarks.personal.fedsa import shared_a
from client_app.personal.fine_tune import blend
from client_app.training.measuring import Table
from client_app.training.notes_trainer import NotesTrainer
from client_app.training.trained import Vector

Measurer = Callable[[Consortium, int, int], Table]
"""The table, by held-out patient of hospital ``site``, of what hospital ``number`` makes."""


def _kept(name: str, make: Callable[[Consortium, int], Vector]) -> Measurer:
    def measured(consortium: Consortium, number: int, site: int) -> Table:
        key = f"{name}-{number}"
        return consortium.table(key, lambda: consortium.kept(key, lambda: make(consortium, number)), site)

    return measured


def _longer(share: float, rate: float = 1.0) -> Callable[[Consortium, int], Vector]:
    """All training notes, without validation, for ``share`` of the steps at ``rate`` times the peak rate."""

    def make(consortium: Consortium, number: int) -> Vector:
        given = consortium.given(number)
        given = replace(given, steps=max(1, round(share * given.steps)), peak=rate * given.peak)
        return NotesTrainer(consortium.learners[number]).tune(given)

    return make


def _at_full_rate(consortium: Consortium, number: int) -> Vector:
    """A sixth of the steps at the run's peak rate throughout: it neither falls nor ends low."""
    learner, given = consortium.learners[number], consortium.given(number)
    schedule = replace(learner.schedule, versions=1, kind="constant", warmup=0.0)
    steps = max(1, given.steps // 6)
    return learner.fit(given.start, steps, replace(schedule, local_steps=steps), 0, given.seed).vector


def _between(share: float) -> Measurer:
    """On the line from the global adapter to the one trained alone, ``share`` of the way; nothing is trained."""

    def measured(consortium: Consortium, number: int, site: int) -> Table:
        vector = blend(consortium.start, consortium.alone(number), share)
        return consortium.table(f"between-{share:g}-{number}", lambda: vector, site)

    return measured


def _fedsa(consortium: Consortium, number: int) -> Vector:
    """Made for all hospitals at once; the others' are kept for their turn."""
    made = shared_a(consortium.learners, consortium.config, consortium.steps, consortium.seed)
    for other, vector in enumerate(made):
        if other != number:
            np.save(consortium.folder / f"fedsa-{other}.npy", vector)
    return made[number]


VARIANTS: dict[str, Measurer] = {
    "all-steps": _kept("all-steps", _longer(1.0)),
    "half-the-steps": _kept("half-the-steps", _longer(0.5)),
    "half-the-rate": _kept("half-the-rate", _longer(1.0, 0.5)),
    "sixth-at-full-rate": _kept("sixth-at-full-rate", _at_full_rate),
    "between-0.25": _between(0.25),
    "between-0.5": _between(0.5),
    "between-0.75": _between(0.75),
    "fedalt": mixed_measure,
    "fedsa": _kept("fedsa", _fedsa),
}
