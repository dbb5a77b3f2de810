"""``--tune``: each strategy's server learning rate, the best of one fixed grid in the headline's setting.

The best is the shortest time to target on the tuning seeds, which are not measured later, or a lower rate's within 3 %.
Kept in rates.toml and used for every spread of links. Asynchronous strategies have one for each kind of compute, since
staleness that is the same for all is harder to bear; a synchronous round of everybody does not depend on the clock.

Not for: measuring.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.asynchrony.config import Config
from benchmarks.asynchrony.jobs import TINY, Job, Outcome, make
from benchmarks.asynchrony.kept import Kept
from benchmarks.asynchrony.run import ASYNC, STRATEGIES
from benchmarks.harness.command import say
from crossward.config.weight_rules import FEDASYNC, FEDBUFF
from crossward.machine.files import write_atomic

ALIKE = 1.03
HEAD = """# Found by `python -m benchmarks.asynchrony --tune`: of rates.grid (tiny_grid: the embedded model), the server
# learning rate with the shortest time to target on the tuning seeds in the headline's setting, by strategy and nodes.
# Beside each: the rates tried, with the virtual seconds to target ('-': not reached, or not before the best).
"""


def best_rate(
    jobs: Callable[[float, int, float], Job],
    run: Callable[[Job], Outcome],
    grid: tuple[float, ...],
    seeds: tuple[int, ...],
) -> tuple[float, dict[float, float]]:
    """The best rate, and every rate's mean time to target; a run much slower than the best is cut off.

    Best is the lowest whose time is within ``ALIKE`` of the shortest: it ends with less noise. Where none reaches the
    target, it is the one with the lowest loss in the end.
    """
    tried: dict[float, float] = {}
    ends: dict[float, float] = {}
    for rate in sorted(grid, key=lambda rate: abs(math.log(rate))):  # from the middle
        best = min(tried.values(), default=math.inf)
        found = [run(jobs(rate, seed, 1.3 * best)) for seed in seeds]
        tried[rate] = sum(outcome.reach()[0] for outcome in found) / len(found)
        ends[rate] = sum(outcome.curve.loss[-1] for outcome in found) / len(found)
    reached = {rate: seconds for rate, seconds in tried.items() if math.isfinite(seconds)}
    if not reached:
        return min(ends, key=lambda rate: ends[rate]), tried
    return min(rate for rate, seconds in reached.items() if seconds <= ALIKE * min(reached.values())), tried


def _lines(path: Path) -> dict[str, str]:
    """The lines of ``path`` by the name of their rate."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return {line.partition(" = ")[0]: line for line in lines if " = " in line and not line.startswith("#")}


def tune(kept: Kept, path: Path, nodes: tuple[int, ...], tiny: bool, only: Sequence[str] = ()) -> None:
    """Search the rates whose names begin with one of ``only`` (none: all), and write ``path``; it keeps the others."""
    config = kept.config
    lines = _lines(path) if only else {}

    def search(job: Job, name: str, run: Callable[[Job], Outcome]) -> None:
        real = job.study == TINY
        grid, seeds = (config.rates.tiny_grid, config.tiny.tuning_seeds) if real else (
            config.rates.grid, config.toy.tuning_seeds)  # fmt: skip
        rate, tried = best_rate(
            lambda rate, seed, until: replace(job, rate=rate, seed=seed, until=until),
            lambda job: kept.find(job) or kept.keep(run(job)),
            grid,
            seeds,
        )
        told = ", ".join(f"{r:g}: {s:.0f}" if math.isfinite(s) else f"{r:g}: -" for r, s in sorted(tried.items()))
        lines[name] = f"{name} = {rate}  # {told}"
        say(lines[name])
        write_atomic(path, "\n".join([HEAD, "[rates]", *lines.values()]) + "\n")

    wanted = [(name, job) for name, job in _searches(config, nodes, tiny) if name.startswith(tuple(only) or "")]
    for name, job in wanted:
        if job.study != TINY:
            search(job, name, lambda job: make(config, job))
    if real := [(name, job) for name, job in wanted if job.study == TINY]:
        from benchmarks.asynchrony.tiny import TinyModel

        model = TinyModel(config)
        for name, job in real:
            search(job, name, model.make)


def _searches(config: Config, nodes: tuple[int, ...], tiny: bool) -> Iterator[tuple[str, Job]]:
    """Names of rates, and a job of each, which lacks rate and seed."""
    h = config.headline
    first = Job("tuning", "", h.nodes, h.spread, h.compute, 0, 0.0, config.toy.updates, stop_there=True)
    for count in nodes:
        for strategy in STRATEGIES:
            yield f"{strategy}-{count}", replace(first, strategy=strategy, nodes=count)
        for compute in config.task.compute if count == h.nodes else ():
            if compute != h.compute:
                for strategy in (ASYNC, FEDBUFF, FEDASYNC):
                    name = f"{strategy}-{count}-{compute}"
                    yield name, replace(first, strategy=strategy, nodes=count, compute=compute)
    yield f"cached-{h.nodes}", replace(first, strategy=ASYNC, cached=True)
    if tiny:
        t = config.tiny
        for strategy in STRATEGIES:
            real = replace(first, study=TINY, strategy=strategy, nodes=t.hospitals, updates=t.updates)
            yield f"{strategy}-tiny", real
        yield "cached-tiny", replace(real, strategy=ASYNC, cached=True)
