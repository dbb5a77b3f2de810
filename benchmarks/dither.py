"""What the dither of versions costs in quality: ``make run``'s training with and without it, on the virtual clock.

    python -m benchmarks.dither [--seeds 3] [--quick] [--json FILE]

Each seed trains four synthetic hospitals (24 asynchronous versions of 3 updates) twice with the same initial values,
batches and rounding: with a dither and with exact sums. A third run, under another dither key, shows by how much runs
differ that differ in nothing but random integers of that size. In the clear: sealing changes no bit at equal dither.

Not for: what the dither hides (``python -m evaluation.attacks --only sums``).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from encryption.dither import KNOWN, Dither, NoDither
from evaluation.attacks.statistics import t_interval
from evaluation.compare.federation import federate
from evaluation.compare.memory import Memory, Remembering
from evaluation.compare.methods import ENCRYPTED, METHODS
from evaluation.compare.quality import notes_quality
from evaluation.compare.settings import FULL, NOTES, QUICK, Comparison
from evaluation.compare.work import Workplace
from launcher.overrides import app_defaults

CLEAR = METHODS[ENCRYPTED].but("clear", "in the clear", encryption__policy="none")
OTHER = Dither(bytes(range(32)))
DITHERS: dict[str, Dither] = {"dither": KNOWN, "exact": NoDither(), "other dither": OTHER}


def measure(setting: Comparison, seeds: int, say: Any = lambda text: None) -> list[dict[str, Any]]:
    """One row a run: seed, which dither, held-out loss (nats a token) and perplexity over all hospitals."""
    rows = []
    defaults = app_defaults(Path(__file__).resolve().parents[1])
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
                measured = [Remembering(learner, config, memory, []) for learner in learners]
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
    p = argparse.ArgumentParser(prog="python -m benchmarks.dither", description=(__doc__ or "").split("\n\n")[0])
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--quick", action="store_true", help="smaller runs: 8 versions of shorter trainings")
    p.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    args = p.parse_args(argv)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    rows = measure(QUICK if args.quick else FULL, args.seeds, lambda text: print(text, file=sys.stderr, flush=True))
    console, table = Console(highlight=False), Table("seed", *DITHERS, title="Held-out perplexity, all hospitals")
    for seed in sorted({row["seed"] for row in rows}):
        here = {row["sums"]: row["perplexity"] for row in rows if row["seed"] == seed}
        table.add_row(str(seed), *(f"{here[name]:.3f}" for name in DITHERS))
    console.print(table)
    found = summary(rows)
    for name, row in found.items():
        interval = f" [{row['low']:+.4f}, {row['high']:+.4f}]" if row["low"] is not None else ""
        console.print(f"{name}: {row['mean']:+.4f}{interval} nats a token")
    if args.json:
        args.json.write_text(json.dumps({"rows": rows, "summary": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
