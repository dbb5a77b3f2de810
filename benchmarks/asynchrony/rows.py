"""Rows and ratios from curves: medians over seeds, pairs of one seed, losses at equal time and at equal updates.

Not for: printing (``benchmarks.asynchrony.tables``).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import Any

from benchmarks.asynchrony.config import Config
from benchmarks.asynchrony.jobs import TINY, Job, Outcome
from benchmarks.asynchrony.run import ASYNC, SYNC
from benchmarks.asynchrony.studies import RIVALS, SENSITIVITY, SPEED, WEIGHTING
from benchmarks.harness.figures import Row, at_least, median_range

Found = dict[str, list[Outcome]]


def _quotient(a: float, b: float) -> float:
    """``a / b`` of times that may be infinite; nan when neither was reached."""
    return math.nan if math.isinf(a) and math.isinf(b) else a / b


def _where(job: Job) -> tuple[Any, ...]:
    return job.nodes, job.spread, job.compute


def _pairs(outcomes: Iterable[Outcome], over: str, under: str) -> dict[tuple[Any, ...], list[tuple[Outcome, Outcome]]]:
    """By nodes, spread and compute: (``over``, ``under``) outcomes of one seed."""
    by = {(_where(o.job), o.job.seed, o.job.label): o for o in outcomes}
    out: dict[tuple[Any, ...], list[tuple[Outcome, Outcome]]] = {}
    for where, seed, strategy in by:
        if strategy == over and (where, seed, under) in by:
            out.setdefault(where, []).append((by[where, seed, over], by[where, seed, under]))
    return out


def run_rows(outcomes: list[Outcome], tail: int) -> list[Row]:
    """A row for each strategy in each setting. ``left`` is what was not gained of what could be gained.

    ``tail`` updates at the end of a run make its final loss; runs that stopped at the target have none.
    """
    groups: dict[tuple[Any, ...], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((*_where(outcome.job), outcome.job.label), []).append(outcome)
    asynchronous = {(_where(o.job), o.job.seed): o for o in outcomes if o.job.label == ASYNC}
    rows = []
    for (nodes, spread, compute, strategy), found in groups.items():
        reach = [outcome.reach() for outcome in found]
        row: Row = {"nodes": nodes, "spread": spread, "compute": compute, "strategy": strategy, "seeds": len(found)}
        row |= {name: median_range([r[i] for r in reach]) for i, name in enumerate(("seconds", "updates", "bytes"))}
        row["rate"] = found[0].job.rate
        row["staleness"] = statistics.mean(statistics.fmean(o.curve.staleness[1:]) for o in found)
        if not found[0].job.stop_there:
            ends = [o.curve.last(tail) for o in found]
            row["left_equal_updates"] = statistics.median(o.left(e[0]) for o, e in zip(found, ends, strict=True))
            row["loss_equal_updates"] = statistics.median(e[0] for e in ends)
            row["worst_equal_updates"] = statistics.median(e[1] for e in ends)
            rivals = [asynchronous.get((_where(o.job), o.job.seed)) for o in found]
            at = [
                (o.left(o.curve.loss[i]), o.curve.loss[i])
                for o, rival in zip(found, rivals, strict=True)
                if rival is not None
                for i in (o.curve.index_at(rival.curve.seconds[-1]),)
            ]
            row["left_equal_time"] = statistics.median(x[0] for x in at) if at else math.nan
            row["loss_equal_time"] = statistics.median(x[1] for x in at) if at else math.nan
        rows.append(row)
    return rows


def weighting_rows(outcomes: list[Outcome], tail: int) -> list[Row]:
    """A row for each skew and weighting: losses at the end, means over seeds."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.job.skew, outcome.job.weighting or outcome.job.label), []).append(outcome)
    rows = []
    for (skew, weighting), found in groups.items():
        ends = [o.curve.last(tail) for o in found]
        row: Row = {"skew": skew, "weighting": weighting, "seeds": len(found)}
        row |= {"loss": statistics.fmean(e[0] for e in ends), "worst": statistics.fmean(e[1] for e in ends)}
        row["left"] = statistics.fmean(o.left(e[0]) for o, e in zip(found, ends, strict=True))
        row["seconds"] = statistics.median(o.reach()[0] for o in found)
        row["least_possible"] = statistics.fmean(o.least for o in found)
        rows.append(row)
    return rows


def _said(job: Job, base: Job) -> str:
    parts = [f"{name} x {factor:g}" for name, factor in job.changes]
    parts += [f"fedavg's cohort {job.cohort}"] if job.cohort else []
    parts += [f"AsyncHybrid's buffer {job.buffer}"] if job.buffer else []
    parts += [f"{job.strategy}'s rate {job.rate:g}"] if job.rate != base.rate else []
    parts += [f"AsyncHybrid's weighting {job.weighting}"] if job.weighting else []
    return ", ".join(parts)


def sensitivity_rows(config: Config, outcomes: list[Outcome], headline: list[Outcome]) -> list[Row]:
    """The headline's ratio with one thing changed at a time; targets other than its own on ``headline``'s curves."""
    rows: list[Row] = []
    first: dict[tuple[str, int], Outcome] = {}
    for o in outcomes:
        first.setdefault((o.job.strategy, o.job.seed), o)  # the unchanged pair comes first
    groups: dict[str, dict[int, dict[str, Outcome]]] = {}
    for o in outcomes:
        said = _said(o.job, first[o.job.strategy, o.job.seed].job)
        groups.setdefault(said, {}).setdefault(o.job.seed, {})[o.job.strategy] = o
    for said, seeds in groups.items():
        pairs = [
            {s: found.get(s) or first[s, seed] for s in (ASYNC, SYNC)}
            for seed, found in seeds.items()
            if all((s, seed) in first for s in (ASYNC, SYNC))
        ]
        if not pairs:  # of an interrupted run
            continue
        times = [(pair[SYNC].reach()[0], pair[ASYNC].reach()[0]) for pair in pairs]
        rows.append(_changed(said or "as the headline", times))
    for share in config.sensitivity.target_shares:
        pairs_of = _pairs(headline, SYNC, ASYNC)
        times = [(a.reach(share)[0], b.reach(share)[0]) for pairs_ in pairs_of.values() for a, b in pairs_]
        if times:
            rows.append(_changed(f"target share {share:g}", times))
    return rows


def _changed(said: str, times: list[tuple[float, float]]) -> Row:
    return {
        "changed": said,
        "sync_seconds": statistics.median(t[0] for t in times),
        "async_seconds": statistics.median(t[1] for t in times),
        "ratio": statistics.median(_quotient(*t) for t in times),
        "seeds": len(times),
    }


def ratios(config: Config, found: Found) -> dict[str, Row]:
    """Every rival's time and bytes to target over AsyncHybrid's, by name: median, least and most over seeds."""
    out: dict[str, Row] = {}
    for study in (SPEED, TINY):
        for rival in RIVALS:
            for (nodes, spread, compute), pairs in _pairs(found.get(study, ()), rival, ASYNC).items():
                name = "sync" if rival == SYNC else rival
                tail = f"_spread_{spread:g}"
                tail += "_tiny" if study == TINY else f"_nodes_{nodes}" if nodes != config.headline.nodes else ""
                tail += f"_compute_{compute.replace('-', '_')}" if compute != config.headline.compute else ""
                for i, what in ((0, "time"), (2, "bytes")):
                    values = [_quotient(a.reach()[i], b.reach()[i]) for a, b in pairs]
                    out[f"{name}_to_async_{what}{tail}"] = median_range(values) | {"seeds": len(values)}
    return out


def figures(config: Config, found: Found) -> Row:
    """All rows and ratios; curves of the first seed in the headline's compute, for the drawings."""
    h, tail = config.headline, config.toy.hold_updates
    spreads = ratios(config, found)
    key = f"sync_to_async_time_spread_{h.spread:g}"
    headline = [o for o in found.get(SPEED, ()) if _where(o.job) == (h.nodes, h.spread, h.compute)]
    seed = min((o.job.seed for o in headline), default=0)
    requirements = []
    if key in spreads:
        requirements = [at_least(key, spreads[key]["median"], h.published)]
    return {
        "headline": key,
        "ratios": {name: row["median"] for name, row in spreads.items()},
        "ratio_ranges": spreads,
        "requirements": requirements,
        SPEED: run_rows(found.get(SPEED, []), tail),
        TINY: run_rows(found.get(TINY, []), config.tiny.hospitals),
        WEIGHTING: weighting_rows(found.get(WEIGHTING, []), tail),
        SENSITIVITY: sensitivity_rows(config, found[SENSITIVITY], headline) if SENSITIVITY in found else [],
        "curves": [
            {
                "strategy": o.job.strategy,
                "spread": o.job.spread,
                "seconds": o.curve.seconds,
                "left": [o.left(loss) for loss in o.curve.loss],
            }
            for o in found.get(SPEED, ())
            if (o.job.nodes, o.job.compute, o.job.seed) == (h.nodes, h.compute, seed)
        ],
        "target_share": config.toy.target_share,
    }
