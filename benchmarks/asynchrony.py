"""``python -m benchmarks.asynchrony``: what asynchrony buys, on the virtual clock.

Virtual time and bytes to a target loss: AsyncHybrid beside synchronous fedavg, FedBuff's settings and FedAsync, over
spreads of links and of compute, with a convex toy of 100 and 1,000 hospitals and real training of the embedded model;
the four weightings on skewed hospitals; and how much the headline depends on what the clock is set to. The settings
and their sources are in asynchrony.toml. Bytes and seconds are those of a sealed adapter of an 8B model.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
from dataclasses import asdict
from typing import Any

from rich.console import Console

from benchmarks import asynchrony_figures, asynchrony_rows, asynchrony_tables
from benchmarks.asynchrony_config import RATES, SETTINGS, read_config, read_rates
from benchmarks.asynchrony_studies import SPEED, STUDIES, run_studies
from benchmarks.asynchrony_tuning import tune
from crossward.machine.paths import path_argument

BEGAN = time.perf_counter()
WIDTH = 168


def say(text: str) -> None:
    """A line of progress."""
    print(f"[{time.perf_counter() - BEGAN:5.0f} s] {text}", file=sys.stderr, flush=True)


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it: what is not finite was never reached, and becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main(argv: list[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.asynchrony", description=__doc__)
    p.add_argument(
        "--quick", action="store_true", help="the headline's compute, AsyncHybrid and fedavg, one seed, the toy"
    )
    p.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    p.add_argument("--json", type=path_argument, metavar="FILE", help="write every figure")
    p.add_argument("--out", type=path_argument, metavar="FOLDER", help="write drawings (SVG and PNG)")
    p.add_argument(
        "--config", type=path_argument, default=SETTINGS, metavar="FILE", help="settings (default: asynchrony.toml)"
    )
    p.add_argument(
        "--rates", type=path_argument, default=RATES, metavar="FILE", help="server learning rates found by --tune"
    )
    p.add_argument("--tune", action="store_true", help="search the server learning rates, write them, and stop")
    args = p.parse_args(argv)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    config = read_config(args.config)
    if args.tune:
        tune(config, args.rates, say, config.toy.nodes, tiny=True)
        return
    rates = read_rates(config, args.rates)
    only = (SPEED,) if args.quick else tuple(args.only)
    found = asynchrony_rows.figures(config, run_studies(config, rates, only, args.quick, say))
    found |= {
        "config": asdict(config),
        "rates": rates,
        "quick": args.quick,
        "wall_seconds": time.perf_counter() - BEGAN,
    }
    console = Console(width=WIDTH, highlight=False)
    for table in asynchrony_tables.tables(found):
        console.print(table)
    for line in asynchrony_tables.verdicts(found):
        console.print(line, soft_wrap=True)
    if args.quick:
        console.print(
            "quick: one seed, runs end at the target; final losses, other strategies and computes, 1,000 hospitals, "
            "weightings, sensitivity and the embedded model are in the full run only",
            soft_wrap=True,
        )
    if args.out:
        for file in asynchrony_figures.draw(found, args.out, config.headline.published):
            console.print(f"wrote {file}")
    if args.json:
        args.json.write_text(json.dumps(plain(found), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
