"""A run as plain values, making it, and what is kept of it.

Not for: which jobs a study consists of (``benchmarks.asynchrony.studies``), many of them
(``benchmarks.asynchrony.kept``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from benchmarks.asynchrony.clock import speeds
from benchmarks.asynchrony.config import Config
from benchmarks.asynchrony.curve import Curve
from benchmarks.asynchrony.run import SYNC, Run
from benchmarks.asynchrony.toy import QuadraticLearner, hospitals
from crossward.config.encryption_schemes import BFV
from crossward.config.schedule import Schedule
from crossward.config.variance_reduction import CACHED
from crossward.config.weight_rules import FEDASYNC
from crossward.config.weightings import EQUAL

TINY = "tiny"  # the study of the embedded model
Changes = tuple[tuple[str, float], ...]
FACTORS = ("latency", "compute_mean", "values")  # settings that a job may multiply


@dataclass(frozen=True)
class Job:
    """One run of the toy; 0 for ``cohort`` or ``buffer`` is the configured one.

    ``changes`` multiplies settings by name; ``weighting`` replaces AsyncHybrid's; ``cached``: with cached updates;
    ``stop_there`` ends at the target.
    """

    study: str
    strategy: str
    nodes: int
    spread: float
    compute: str
    seed: int
    rate: float
    updates: int
    skew: str = ""
    weighting: str = ""
    cohort: int = 0
    buffer: int = 0
    changes: Changes = ()
    stop_there: bool = False
    until: float = float("inf")
    scheme: str = BFV
    cached: bool = False

    @property
    def label(self) -> str:
        """The strategy, as tables name it."""
        return f"{self.strategy}, cached" if self.cached else self.strategy

    @property
    def given(self) -> dict[str, Any]:
        """Strategy settings in place of the strategy's own."""
        given: dict[str, Any] = {"weighting": self.weighting} if self.weighting else {}
        return given | ({"weighting": EQUAL, "variance_reduction": CACHED} if self.cached else {})


@dataclass
class Outcome:
    """A job's curve, and what to compare it with: the target, the least loss, and how much was to be gained."""

    job: Job
    curve: Curve
    target: float
    least: float
    gain: float
    hold: int

    def reach(self, share: float | None = None) -> tuple[float, float, float]:
        """Seconds, updates and bytes to the target, or to another share of the gain."""
        target = self.target if share is None else self.least + share * self.gain
        return self.curve.reach(target, self.hold)

    def left(self, loss: float) -> float:
        """Share of what was to be gained that a loss leaves."""
        return (loss - self.least) / self.gain


def changed(config: Config, changes: Changes) -> Config:
    """``config`` with some of its costs multiplied."""
    for name, factor in changes:
        if name == "values":
            config = replace(config, wire=replace(config.wire, values=round(config.wire.values * factor)))
        else:
            config = replace(config, task=replace(config.task, **{name: getattr(config.task, name) * factor}))
    return config


def constant(learning_rate: float, steps: int, rate: float, versions: int, value_range: float = 1.0) -> Schedule:
    """A schedule without decay: no strategy is favoured by how many versions it makes."""
    return Schedule(versions, steps, learning_rate, "constant", 0.0, range_factor=value_range, server_rate=rate)


def make(config: Config, job: Job) -> Outcome:
    """Make the run."""
    config, toy = changed(config, job.changes), config.toy
    group = hospitals(config, job.nodes, job.spread, job.compute, job.seed, job.skew)
    concurrency = min(config.strategies.concurrency, job.nodes)
    buffer = (job.cohort or concurrency) if job.strategy == SYNC else (job.buffer or config.strategies.buffer)
    versions = job.updates // (1 if job.strategy == FEDASYNC else buffer) + 2
    schedule = constant(toy.learning_rate, toy.local_steps, job.rate, versions, toy.value_range)
    target = group.target(toy.target_share)
    curve = Run(
        job.strategy,
        [QuadraticLearner(group, number, schedule) for number in range(job.nodes)],
        speeds(config, group.mbit, group.compute),
        group.loss,
        schedule,
        buffer,
        concurrency,
        config.wire.values,
        job.updates,
        target,
        toy.hold_updates,
        job.stop_there,
        job.until,
        job.seed,
        job.given,
        job.scheme,
    ).go()
    least = group.best()
    return Outcome(job, curve, target, least, curve.loss[0] - least, toy.hold_updates)
