"""What the dither of versions costs: seconds of adding, and held-out quality of ``make run``'s training.

    python -m benchmarks.dither [--seeds 3] [--quick] [--json FILE]

Adding: eight sealed updates of a million values (compact plan), with and without a dither in turn, medians.

Quality: each seed trains four synthetic hospitals (24 asynchronous versions of 3 updates) twice with the same initial
values, batches and rounding: with a dither and with exact sums. A third run, under another dither key, shows by how
much runs differ that differ in nothing but random integers of that size. In the clear: sealing changes no bit at equal
dither.

Not for: what the dither hides (``crossward attack --only sums``).
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.command import parse, parser, say, write_json
from benchmarks.harness.processes import ROOT
from benchmarks.harness.tables import show, table
from crossward.config.data_settings import NOTES
from crossward.config.run_config import RunConfig
from crossward.encryption.aggregator.bfv import BfvArithmetic
from crossward.encryption.dither import KNOWN, Dither, NoDither
from crossward.encryption.holder.bfv import BfvSealer
from crossward.encryption.plan import PRESETS
from crossward.launcher.overrides import app_defaults
from research.attacks.statistics import t_interval
from research.compare.federation import federate
from research.compare.memory import Memory, Remembering
from research.compare.methods import ENCRYPTED, METHODS
from research.compare.quality import notes_quality
from research.compare.settings import FULL, QUICK, Comparison
from research.compare.work import Workplace

CLEAR = METHODS[ENCRYPTED].but("clear", "in the clear", encryption__policy="none")
OTHER = Dither(bytes(range(32)))
DITHERS: dict[str, Dither] = {"dither": KNOWN, "exact": NoDither(), "other dither": OTHER}


def adding(values: int = 1 << 20, updates: int = 8, runs: int = 5) -> dict[str, float]:
    """Median seconds of making a version of sealed updates without and with a dither, and their ratio by pairs."""
    plan = PRESETS["compact"]
    sealer, adder, rng = BfvSealer(plan, bytes(64)), BfvArithmetic(plan), np.random.default_rng(0)
    counts = [min(sealer.chunk, values - start) for start in range(0, values, sealer.chunk)]
    columns = [[sealer.seal(rng.integers(-plan.q_max, plan.q_max + 1, n))] * updates for n in counts]
    weights, bits = [plan.total_weight // updates] * updates, [plan.update_bits] * updates
    taken: dict[str, list[float]] = {"exact": [], "dither": []}
    for _ in range(runs + 1):
        for name in taken:
            made = DITHERS[name].version(plan.total_weight, 1, [f"site-{i}" for i in range(updates)], weights)
            began, first = time.perf_counter(), 0
            for parts, count in zip(columns, counts, strict=True):
                plain = made(first, count) if made is not None else None
                adder.combine(parts, weights, bits, plan.sum_bits(1), count, plain)
                first += count
            taken[name].append(time.perf_counter() - began)
    pairs = [dither / exact for exact, dither in zip(taken["exact"][1:], taken["dither"][1:], strict=True)]
    return {
        **{f"{name}_seconds": statistics.median(seconds[1:]) for name, seconds in taken.items()},
        "ratio": statistics.median(pairs),
    }


def measure(setting: Comparison, seeds: int) -> list[dict[str, Any]]:
    """One row a run: seed, which dither, held-out loss (nats a token) and perplexity over all hospitals."""
    rows = []
    defaults = app_defaults(ROOT)
    for seed in range(seeds):
        memory = Memory()
        with tempfile.TemporaryDirectory(prefix="crossward-dither-") as place:
            work = Workplace(setting, Path(place) / "jobs", defaults)
            learners = work.learners(CLEAR, seed, NOTES)
            for name, dither in DITHERS.items():
                folder = Path(place) / name.replace(" ", "-")
                config = setting.config(CLEAR, seed, NOTES, defaults, folder / "state")
                count, mbit = setting.hospitals, setting.link_mbit
                run = federate(config, count, mbit, folder / "run", learners[0], memory, dither=dither)
                read = RunConfig.read(config)
                measured = [Remembering(learner, read, memory, []) for learner in learners]
                found = notes_quality(measured, [run.vector] * count)
                rows.append({"seed": seed, "sums": name, "loss": found["loss"], "perplexity": found["perplexity"]})
                say(f"seed {seed}, {name}: held-out perplexity {found['perplexity']:.3f}")
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean difference of held-out loss against exact sums (nats a token), with its 95 % interval over seeds."""
    by = {(row["seed"], row["sums"]): row["loss"] for row in rows}
    seeds = sorted({row["seed"] for row in rows})
    found: dict[str, Any] = {}
    for name, other in (("dither", "exact"), ("other dither", "dither")):
        differences = [by[seed, name] - by[seed, other] for seed in seeds]
        interval = t_interval(differences) if len(seeds) > 1 else None
        found[f"{name} - {other}"] = {
            "differences": differences,
            "mean": sum(differences) / len(differences),
            "low": interval[0] if interval else None,
            "high": interval[1] if interval else None,
        }
    return found


def main(argv: list[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    p = parser("dither", __doc__, quick="smaller runs: 8 versions of shorter trainings")
    p.add_argument("--seeds", type=int, default=3)
    args = parse(p, argv)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    rows = measure(QUICK if args.quick else FULL, args.seeds)
    costs = adding()
    by_seed = table("Held-out perplexity, all hospitals", "seed", *DITHERS)
    for seed in sorted({row["seed"] for row in rows}):
        here = {row["sums"]: row["perplexity"] for row in rows if row["seed"] == seed}
        by_seed.add_row(str(seed), *(f"{here[name]:.3f}" for name in DITHERS))
    show(
        f"adding 8 sealed updates of 2**20 values: {costs['exact_seconds']:.3f} s, with the dither "
        f"{costs['dither_seconds']:.3f} s (ratio by pairs {costs['ratio']:.2f})",
        by_seed,
    )
    found = summary(rows)
    for name, row in found.items():
        interval = f" [{row['low']:+.4f}, {row['high']:+.4f}]" if row["low"] is not None else ""
        show(f"{name}: {row['mean']:+.4f}{interval} nats a token")
    write_json(args.json, {"adding": costs, "rows": rows, "summary": found})


if __name__ == "__main__":
    main()
