"""Runs in which two of six hospitals train fewer components, beside runs in which all train the same.

Runs are the product's own: its learners, nodes and strategy with the run config's defaults, on the virtual clock and in
the clear (sealing changes no bit). The hospitals of lower rank have the fewest notes and the slowest machines.

Not for: what a lower rank costs a machine (``benchmarks.ranks.cost``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from client_app.training.learner import LoraLearner, adapted_model, notes
from client_app.training.threads import share_cores
from client_app.training.trained import Trained, Vector
from crossward.adapters.ranks import Ranks
from crossward.config.run_config import RunConfig
from crossward.evaluation.report import overrides
from crossward.protocol.measures import Measure, measure
from crossward.simulation.strategy import simulate
from crossward.simulation.virtual_grid import Speed

Row = dict[str, Any]
SPEEDS = (1.0, 1.0, 1.0, 1.5, 2.0, 3.0)  # how many times slower than the fastest
COMPUTE = 10.0  # virtual seconds of the fastest hospital's training


@dataclass(frozen=True)
class Case:
    """Hospitals' ranks; ``divided``: sums by the hospitals that have a component, else by all.

    ``whole``: a hospital of lower rank trains its slice within the whole adapter, else as if there were no other
    components. Not ``sliced``: it says that it does, and trains all.
    """

    about: str
    ranks: tuple[int, ...]
    divided: bool = False
    whole: bool = True
    sliced: bool = True


def cases(hospitals: int, rank: int, low: int) -> dict[str, Case]:
    """What is compared; two of the ``hospitals`` have the rank ``low``."""
    mixed = (rank,) * (hospitals - 2) + (low, low)
    return {
        "high": Case(f"all train rank {rank}", (rank,) * hospitals),
        "low": Case(f"all train rank {low} of {low}", (low,) * hospitals),
        "mixed": Case(f"two train rank {low} of {rank}", mixed),
        "divided": Case("the same, sums divided by who trains a component", mixed, divided=True),
        "composed": Case("all train all, in versions as of 'mixed'", mixed, sliced=False),
        "blind": Case("the same, other components left out", mixed, whole=False),
        "without": Case("the two do not take part", (rank,) * (hospitals - 2)),
    }


class Unsliced(Ranks):
    """Hospitals only say that they train fewer components."""

    def confine(self, values: Vector, rank: int) -> None:
        """Nothing."""


class Studied(LoraLearner):
    """A learner that measures nothing in a run; with ``alone_in`` it trains its slice as if that were all."""

    alone_in: Ranks | None = None

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """One token of one patient."""
        return dict.fromkeys(models, measure([(1.0, 1.0, 1.0)]))

    def fit(self, start: Vector, *args: Any, **kwargs: Any) -> Trained:
        """As `LoraLearner.fit`; what is not trained is as it was in any case."""
        if self.alone_in is None or not self.rank:
            return super().fit(start, *args, **kwargs)
        within = start.copy()
        self.alone_in.confine(within, self.rank)
        made = super().fit(within, *args, **kwargs)
        rest = start.copy()
        mine = np.ones_like(start)
        self.alone_in.confine(mine, self.rank)
        return replace(made, vector=np.where(mine > 0, made.vector, rest))


def make(case: Case, hospitals: int, given: tuple[str, ...], seed: int) -> Row:
    """Held-out ``loss`` of the global adapter at each of all hospitals, nats a token, of base too; and the seconds."""
    base: Row = {"model.device": "cpu", "encryption.policy": "none", "strategy.evaluate-every": 0, "run.seed": seed}
    config = overrides(given, RunConfig.read(base))
    rank, varied = max(case.ranks), len(set(case.ranks)) > 1
    lora = replace(config.lora, rank=rank, alpha=config.lora.alpha * rank / config.lora.rank)  # the same alpha / rank
    if varied:
        lora = replace(lora, ranks=",".join(map(str, case.ranks)), divided=case.divided)
    share_cores(config.node.threads)
    adapted = adapted_model(config.model, lora, config.run.seed)
    learners = [
        Studied(
            adapted, notes(config.data, number, hospitals), config.data, config.schedule, config.train,
            on_progress=lambda report: None, rank=own if own < rank and case.sliced else 0,
        )
        for number, own in enumerate((*case.ranks, *(rank,) * (hospitals - len(case.ranks))))
    ]  # fmt: skip
    ranks = Ranks.of(adapted.layout.shapes, lora)
    if ranks is not None and not case.sliced:
        ranks = Unsliced(ranks.blocks, ranks.hospitals)
    for learner in learners if not case.whole else ():
        learner.alone_in = ranks
    taking = learners[: len(case.ranks)]
    speeds = [Speed(compute=COMPUTE * SPEEDS[n % len(SPEEDS)]) for n in range(len(taking))]
    done = simulate(taking, config.strategy, config.schedule, speeds, seed=seed, ranks=ranks)
    vector = done.vector()
    losses = [LoraLearner.evaluate(learner, {"global": vector})["global"].loss for learner in learners]
    return {
        "loss": losses,
        "seconds": done.strategy.state.clock.now(),
        "contributors": float(np.mean([len(made.sites) for made in done.versions])),
    }
