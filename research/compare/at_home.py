"""Adapters that hospitals train at home and share with nobody: alone, and personal ones from the global adapter.

Not for: choosing how a personal adapter is trained (``client_app.personal``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from client_app.training.trained import Vector
from research.compare.memory import Remembering

Say = Callable[[str], None]


def train_alone(learners: Sequence[Remembering], steps: int, seed: int, say: Say) -> list[Vector]:
    """Every hospital's adapter after ``steps`` steps on its own notes."""
    out = []
    for learner in learners:
        say(f"{learner.site} alone")
        out.append(learner.alone(learner.initial(), steps, seed))
    return out


def train_personal(
    learners: Sequence[Remembering], shared: Sequence[Vector], steps: int, seed: int, say: Say
) -> list[Vector]:
    """Every hospital's personal adapter, from its global one in ``shared`` and from what it trained alone."""
    out = []
    for learner, start, own in zip(learners, shared, train_alone(learners, steps, seed, say), strict=True):
        say(f"{learner.site}, personal")
        out.append(learner.personal(start, own, steps, seed))
    return out
