"""Toy hospitals of several ranks: 16 values as one A and one B of four components, of which some train the first."""

from __future__ import annotations

from typing import Any

import numpy as np

from client_app.training.trained import Trained, Vector
from crossward.adapters.ranks import Ranks
from crossward.config.model_settings import LoraSettings
from crossward.simulation.toy import ToyLearner

SHAPES = (("m.lora_A.weight", (4, 2)), ("m.lora_B.weight", (2, 4)))
LOW = np.array([True] * 2 + [False] * 6 + [True, False, False, False] * 2)  # the values of the first component


def ranks_of(*hospitals: int) -> Ranks:
    """Of hospitals that train so many of four components; sums are divided."""
    made = Ranks.of(SHAPES, LoraSettings(rank=4, ranks=",".join(map(str, hospitals)), divided=True))
    assert made is not None
    return made


class SlicedToy(ToyLearner):
    """Trains the components of its rank alone."""

    def __init__(self, ranks: Ranks, number: int, *args: Any, **given: Any) -> None:
        super().__init__(number, *args, **given)
        self.ranks, self.rank = ranks, ranks.own(number)

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        made = super().train(start, version, seed)
        if self.rank:
            delta = made.vector - start
            self.ranks.confine(delta, self.rank)
            made.vector[:] = start + delta
        return made
