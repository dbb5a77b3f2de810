"""Which runs each study consists of, and making them.

Runs whose end is looked at go to the last update; the others stop once the target is settled.

Not for: what is computed from their curves (``benchmarks.asynchrony.rows``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.asynchrony.config import Config
from benchmarks.asynchrony.jobs import FACTORS, TINY, Job, Outcome
from benchmarks.asynchrony.kept import Kept, make_all
from benchmarks.asynchrony.run import ASYNC, STRATEGIES, SYNC
from benchmarks.asynchrony.toy import SKEWS
from benchmarks.harness.command import Progress
from crossward.config.encryption_schemes import BFV, COMMITTEE
from crossward.config.weight_rules import FEDASYNC, FEDBUFF
from crossward.config.weightings import EQUAL, WEIGHTINGS

Rates = dict[str, float]
SPEED, WEIGHTING, SENSITIVITY = "speed", "weighting", "sensitivity"
STUDIES = (SPEED, WEIGHTING, SENSITIVITY, TINY)
RIVAL_SEEDS = 2  # of FedBuff's and FedAsync's runs, and of settings beside the headline's: how many of the seeds
BESIDE_SEEDS = 3
RIVALS = (SYNC, FEDBUFF, FEDASYNC)


def _job(config: Config, rates: Rates, study: str, strategy: str, nodes: int, seed: int) -> Job:
    h = config.headline
    rate = rates[f"{strategy}-{nodes}"]
    return Job(study, strategy, nodes, h.spread, h.compute, seed, rate, config.toy.updates)


def _rate(rates: Rates, job: Job) -> float:
    """The rate found for the job's compute, where one was looked for."""
    return rates.get(f"{job.strategy}-{job.nodes}-{job.compute}", job.rate)


def _cached(rates: Rates, job: Job, size: str) -> Job:
    """``job`` with cached updates, which nothing shortens for staleness: at a rate of their own if one was found."""
    return replace(job, weighting="", cached=True, rate=rates.get(f"cached-{size}", job.rate))


def speed_jobs(config: Config, rates: Rates, quick: bool) -> list[Job]:
    """Time to target: every strategy, spread and compute; ``quick``: AsyncHybrid and fedavg, one compute."""
    toy, h, out = config.toy, config.headline, []
    for spread in config.links.spreads:
        here = spread == h.spread
        for compute in config.task.compute:
            main = compute == h.compute
            if quick and not main:
                continue
            count = len(toy.seeds) if main and here else BESIDE_SEEDS if main else RIVAL_SEEDS
            for strategy in STRATEGIES if not quick else (ASYNC, SYNC):
                seeds = toy.quick_seeds if quick else toy.seeds[: count if strategy in (ASYNC, SYNC) else RIVAL_SEEDS]
                for seed in seeds:
                    job = _job(config, rates, SPEED, strategy, h.nodes, seed)
                    job = replace(job, spread=spread, compute=compute, stop_there=quick or not main)
                    out.append(replace(job, rate=_rate(rates, job)))
        for nodes in () if quick else (n for n in toy.nodes if n != h.nodes):
            for strategy in STRATEGIES:
                seeds = toy.seeds[: RIVAL_SEEDS if here and strategy in (ASYNC, SYNC) else 1]
                out += [replace(_job(config, rates, SPEED, strategy, nodes, s), spread=spread) for s in seeds]
    return out


def weighting_jobs(config: Config, rates: Rates) -> list[Job]:
    """AsyncHybrid with each weighting and with cached updates on each skew, FedBuff and fedavg beside it."""
    w, h, out = config.weighting, config.headline, []
    weightings = [(ASYNC, name) for name in WEIGHTINGS]
    for skew in SKEWS:
        for strategy, weighting in (*weightings, (FEDBUFF, ""), (SYNC, "")):
            for seed in w.seeds:
                job = Job(
                    WEIGHTING, strategy, w.nodes, h.spread, h.compute, seed, rates[f"{strategy}-{h.nodes}"], w.updates
                )
                out.append(replace(job, skew=skew, weighting=weighting, buffer=w.buffer))
        out += [_cached(rates, job, str(h.nodes)) for job in out if (job.skew, job.weighting) == (skew, EQUAL)]
    return out


def sensitivity_jobs(config: Config, rates: Rates) -> list[Job]:
    """The headline's pair with one thing changed at a time."""
    s, grid, out = config.sensitivity, config.rates.grid, []
    for seed in s.seeds:
        pair = [replace(_job(config, rates, SENSITIVITY, x, config.headline.nodes, seed), stop_there=True)
                for x in (ASYNC, SYNC)]  # fmt: skip
        out += pair
        for name in FACTORS:
            out += [replace(job, changes=((name, factor),)) for factor in s.factors for job in pair]
        out += [replace(pair[1], cohort=cohort) for cohort in s.cohorts]
        out += [replace(pair[0], buffer=buffer) for buffer in s.buffers]
        for job in pair:
            i = grid.index(job.rate)
            out += [replace(job, rate=grid[k]) for k in (i - 1, i + 1) if 0 <= k < len(grid)]
        out.append(replace(pair[0], weighting="examples"))
    return out


def tiny_jobs(config: Config, rates: Rates) -> list[Job]:
    """The embedded model at every spread, FedBuff, FedAsync and cached updates at the headline's."""
    t, h = config.tiny, config.headline
    jobs = [
        Job(TINY, strategy, t.hospitals, spread, h.compute, seed, rates[f"{strategy}-tiny"], t.updates)
        for spread in config.links.spreads
        for seed in t.seeds
        for strategy in (STRATEGIES if spread == h.spread else (ASYNC, SYNC))
        if f"{strategy}-tiny" in rates
    ]
    return jobs + [_cached(rates, job, TINY) for job in jobs if (job.strategy, job.spread) == (ASYNC, h.spread)]


def fits(job: Job, scheme: str) -> bool:
    """Whether a scheme opens the job's versions: a committee none of a single update."""
    return scheme != COMMITTEE or job.strategy != FEDASYNC


def make_tiny(kept: Kept, jobs: list[Job]) -> list[Outcome]:
    """The embedded model's runs, in this process: they share one model."""
    found, left = kept.split(jobs)
    if left:
        from benchmarks.asynchrony.tiny import TinyModel  # torch and transformers, which the toy does without

        model, progress = TinyModel(kept.config), Progress(TINY, len(left))
        for i in left:
            found[i] = kept.keep(model.make(jobs[i]))
            progress.one()
    return [found[i] for i in sorted(found)]


def run_studies(
    kept: Kept, rates: Rates, only: Sequence[str], quick: bool, scheme: str = BFV
) -> dict[str, list[Outcome]]:
    """The outcomes of the studies asked for, by study; time to target under ``scheme``, the others as under BFV."""
    config = kept.config
    out: dict[str, list[Outcome]] = {}
    if SPEED in only:
        jobs = [replace(job, scheme=scheme) for job in speed_jobs(config, rates, quick) if fits(job, scheme)]
        out[SPEED] = make_all(kept, jobs, SPEED)
    if WEIGHTING in only:
        out[WEIGHTING] = make_all(kept, weighting_jobs(config, rates), WEIGHTING)
    if SENSITIVITY in only:
        out[SENSITIVITY] = make_all(kept, sensitivity_jobs(config, rates), SENSITIVITY)
    if TINY in only:
        out[TINY] = make_tiny(kept, tiny_jobs(config, rates))
    return out
