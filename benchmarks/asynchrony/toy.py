"""A convex toy of hospitals that differ: quadratics with noisy gradients, and the skews that weightings are tried on.

Hospital k's loss is ``0.5 mean(a (x - t_k)^2)``; a local training takes noisy gradient steps. The whole federation's
loss, its smallest value and every hospital's own are known in closed form.

Not for: anything about language (``benchmarks.asynchrony.tiny``), links and speeds (``benchmarks.asynchrony.clock``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.asynchrony.clock import computes, links
from benchmarks.asynchrony.config import Config
from client_app.training.trained import Trained, Vector
from crossward.config.schedule import Schedule
from crossward.protocol.measures import Measure

Floats = NDArray[np.float64]
SKEWS = ("size", "label", "noisy", "bandwidth-label")
EXAMPLES = 20
LOCAL_BATCH = 16  # tokens a step, the same everywhere: |D| of the weights is what the loss was summed over


@dataclass(frozen=True)
class Hospitals:
    """A federation: ``targets`` [N, D], ``curvature`` [D], and [N] each of examples, gradient noise, Mbit/s, seconds.

    ``clean`` [N] says whose loss is measured.
    """

    targets: Floats
    curvature: Floats
    examples: NDArray[np.int64]
    noise: Floats
    clean: NDArray[np.bool_]
    mbit: Floats
    compute: Floats

    def losses(self, x: Floats) -> Floats:
        """Every measured hospital's loss."""
        out: Floats = 0.5 * np.mean(self.curvature * (x - self.targets[self.clean]) ** 2, axis=1)
        return out

    def loss(self, x: Floats) -> tuple[float, float]:
        """Overall loss, hospitals counting by their examples, and the worst hospital's."""
        found = self.losses(x)
        return float(np.average(found, weights=self.examples[self.clean])), float(found.max())

    def best(self) -> float:
        """The smallest overall loss of any one model."""
        mean = np.average(self.targets[self.clean], axis=0, weights=self.examples[self.clean])
        return self.loss(mean)[0]

    def target(self, share: float) -> float:
        """The loss at which all but ``share`` of what can be gained is gained."""
        least = self.best()
        return least + share * (self.loss(np.zeros(self.curvature.size))[0] - least)

    def left(self, loss: float) -> float:
        """Share of what can be gained that is not gained yet."""
        least = self.best()
        return (loss - least) / (self.loss(np.zeros(self.curvature.size))[0] - least)


def hospitals(config: Config, count: int, spread: float, compute: str, seed: int, skew: str = "") -> Hospitals:
    """``count`` hospitals with ``skew`` ('' = none): everything random comes from ``seed``."""
    rng, toy, w = np.random.default_rng(seed), config.toy, config.weighting
    curvature = toy.condition ** -np.linspace(0.0, 1.0, toy.dimension)
    shared = rng.choice([-1.0, 1.0], toy.dimension) + toy.own * rng.standard_normal((count, toy.dimension))
    out = Hospitals(
        shared / np.sqrt(curvature),
        curvature,
        np.full(count, EXAMPLES),
        np.full(count, toy.noise),
        np.ones(count, dtype=bool),
        links(config, count, spread, rng),
        computes(config, count, compute, rng),
    )
    if skew == "size":
        sizes = np.round(EXAMPLES * w.size_range ** (rng.permutation(count) / max(count - 1, 1) - 0.5))
        return replace(out, examples=np.maximum(sizes, 1).astype(np.int64))
    if skew == "noisy":
        noise, clean = out.noise.copy(), out.clean.copy()
        noise[0], clean[0] = noise[0] * w.noisy, False
        return replace(out, noise=noise, clean=clean)
    if skew in ("label", "bandwidth-label"):
        few = max(round(w.minority * count), 1)
        members = np.argsort(out.mbit)[:few] if skew == "bandwidth-label" else np.arange(few)
        other = w.shift * rng.choice([-1.0, 1.0], toy.dimension)
        targets = out.targets.copy()
        targets[members] += other / np.sqrt(curvature)
        return replace(out, targets=targets)
    return out


class QuadraticLearner:
    """Learner of :class:`client_app.node.Learner` for hospital ``number``."""

    def __init__(self, group: Hospitals, number: int, schedule: Schedule) -> None:
        self.site, self.layout = f"quadratic-{number}", f"quadratic-{group.curvature.size}"
        self.sizes: tuple[int, ...] = (group.curvature.size,)
        self.schedule, self.curvature = schedule, group.curvature
        self.target, self.noise = group.targets[number], float(group.noise[number])
        self.examples = int(group.examples[number])

    def initial(self) -> Vector:
        """Zeros, float32 [dimension]."""
        return np.zeros(self.target.size, dtype=np.float32)

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        """Noisy gradient steps; the loss reported is of the batches seen, noise and all."""
        x, loss, steps = start.astype(np.float64), 0.0, self.schedule.local_steps
        noise = self.noise * np.random.default_rng(seed).standard_normal((steps, x.size)) / np.sqrt(self.curvature)
        for step in range(steps):
            wrong = x - self.target - noise[step]
            loss += 0.5 * float(np.mean(self.curvature * wrong**2))
            x -= self.schedule.learning_rate(version, step) * self.curvature * wrong
        tokens = self.examples * LOCAL_BATCH
        return Trained(x.astype(np.float32), self.examples, tokens, loss / steps * tokens, steps)

    def alone(self, start: Vector, steps: int, seed: int) -> Vector:
        """The hospital's own optimum: where training alone would end."""
        own: Vector = self.target.astype(np.float32)
        return own

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """Not implemented: a run of the toy asks no node for losses."""
        raise NotImplementedError("losses are measured from outside: Hospitals.loss")

    def sensitive_blocks(self, fraction: float) -> tuple[bool, ...]:
        """The only block, unless nothing is to be sealed."""
        return (fraction > 0,)

    def close(self, last: bool) -> None:
        """Nothing to release."""
        pass
