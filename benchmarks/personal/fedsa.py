"""FedSA-LoRA (arXiv 2410.01463): hospitals average the factors A and each keeps its own B, from the first round on.

Synchronous, equal weights, no encryption: the best case for it. A hospital takes as many steps as one takes here for
the global and the personal adapter together.

Not for: asynchronous or encrypted training.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from client_app.training.learner import LoraLearner
from client_app.training.trained import Vector
from crossward.config.run_config import RunConfig


def rounds_of(config: RunConfig, hospitals: int, steps: int) -> int:
    """Rounds of ``train.local-steps`` steps that cost as much as the run and ``steps`` more at each hospital."""
    buffer = config.strategy.buffer_size or hospitals
    taken = config.schedule.versions * buffer * config.schedule.local_steps / hospitals
    return max(1, round((taken + steps) / config.schedule.local_steps))


def shared_a(learners: list[LoraLearner], config: RunConfig, steps: int, seed: int) -> list[Vector]:
    """Each hospital's adapter after the last round: the common A and its own B, float32 [total]."""
    rounds = rounds_of(config, len(learners), steps)
    schedule = replace(config.schedule, versions=rounds)
    shared = np.zeros(sum(learners[0].sizes), dtype=bool)
    for block in learners[0].adapted.layout.blocks:
        shared[block.offset : block.offset + block.size] = ".lora_A." in block.name
    own = [learner.initial().copy() for learner in learners]
    for number in range(rounds):
        for place, learner in enumerate(learners):
            made = learner.fit(own[place], schedule.local_steps, schedule, number, 1000 * seed + 10 * number + place)
            own[place] = made.vector
        mean = np.mean([vector[shared] for vector in own], axis=0, dtype=np.float32)
        for vector in own:
            vector[shared] = mean
    return own
