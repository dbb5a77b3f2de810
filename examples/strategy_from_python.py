"""AsyncHybrid from Python, with a weighting of your own: ``python examples/strategy_from_python.py``.

Four toy hospitals with links and computers of different speed train 16 values for twelve versions, on a virtual clock.
The strategy, its messages and its integer sums are the real ones, so what you see of weights, staleness and waiting is
what a federation would do. Copy this file and change the weighting, the settings, the speeds, or the learner: any class
with the methods of ``client_app.node.Learner`` will do.
"""

from __future__ import annotations

import logging
import math

import numpy as np

from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.config.weightings import EXAMPLES, WEIGHTINGS, Exponents, Facts, Weighting
from crossward.simulation.strategy import Simulated, simulate
from crossward.simulation.toy import ToyLearner
from crossward.simulation.virtual_grid import Speed


class RootOfExamples(Weighting):
    """A larger hospital counts more, but not in proportion. Only the ratios within a version matter."""

    about = "the square root of the number of examples"
    needs = frozenset({EXAMPLES})  # the only fact of an update that `weight` may read

    def weight(self, update: Facts, s: Exponents) -> float:
        """What an update counts, before the weights of a version are made integers."""
        return math.sqrt(update.num_examples)


WEIGHTINGS["root-of-examples"] = RootOfExamples()

SCHEDULE = Schedule(versions=12, local_steps=5, peak=0.05)  # what hospitals and aggregator must agree on
SPEEDS = [  # a hospital each: Mbit/s, seconds of latency per message, seconds of a local training
    Speed(mbit=1000, latency=0.05, compute=10),
    Speed(mbit=300, latency=0.05, compute=10),
    Speed(mbit=100, latency=0.05, compute=15),
    Speed(mbit=20, latency=0.05, compute=40),
]


def run(weighting: str) -> Simulated:
    """One run under a weighting: a version is made of the first three updates that arrive."""
    settings = StrategySettings(weighting=weighting, buffer_size=3, evaluate_every=4)
    learners = [ToyLearner(number, SCHEDULE, examples=20 * 2**number) for number in range(len(SPEEDS))]
    return simulate(learners, settings, SCHEDULE, SPEEDS)


def loss(done: Simulated) -> float:
    """The final adapter's loss, averaged over the hospitals."""
    final = done.vector()
    return float(np.mean([node.learner.evaluate({"final": final})["final"].loss for node in done.nodes]))


def main() -> None:
    """Print every version of one run, and compare two weightings."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    done = run("root-of-examples")
    for made in done.versions:
        parts = zip(made.sites, made.weights, made.staleness, strict=True)
        shown = "  ".join(f"{site} {weight / made.weight_sum:4.0%} (stale {stale})" for site, weight, stale in parts)
        print(f"version {made.version:2}  {made.time:5.1f} s  {shown}")
    print("final weights:", np.array2string(done.vector(), precision=3, suppress_small=True))
    for name, other in (("root-of-examples", done), ("paper", run("paper"))):
        print(f"mean loss under {name}: {loss(other):.4f}")


if __name__ == "__main__":
    main()
