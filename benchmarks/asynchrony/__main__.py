"""``python -m benchmarks.asynchrony``: what asynchrony buys, on the virtual clock.

Virtual time and bytes to a target loss: AsyncHybrid beside synchronous fedavg, FedBuff's settings and FedAsync, over
spreads of links and of compute, with a convex toy of 100 and 1,000 hospitals and real training of the embedded model;
weightings on skewed hospitals; and how much the headline depends on what the clock is set to. The settings
and their sources are in settings.toml. Bytes and seconds are those of a sealed adapter of an 8B model.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict

from benchmarks.asynchrony import figures as asynchrony_figures
from benchmarks.asynchrony import rows as asynchrony_rows
from benchmarks.asynchrony import tables as asynchrony_tables
from benchmarks.asynchrony.config import RATES, SETTINGS, read_config, read_rates
from benchmarks.asynchrony.kept import Kept
from benchmarks.asynchrony.studies import SPEED, STUDIES, run_studies
from benchmarks.asynchrony.tuning import tune
from benchmarks.harness.command import BEGAN, parse, parser, write_json
from benchmarks.harness.tables import show
from crossward.config.encryption_schemes import BFV, COMMITTEE
from crossward.machine.paths import path_argument


def main(argv: list[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    p = parser("asynchrony", __doc__, quick="the headline's compute, AsyncHybrid and fedavg, one seed, the toy")
    p.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    p.add_argument("--out", type=path_argument, metavar="FOLDER", help="write drawings (PNG)")
    p.add_argument(
        "--config", type=path_argument, default=SETTINGS, metavar="FILE", help="settings (default: settings.toml)"
    )
    p.add_argument(
        "--rates", type=path_argument, default=RATES, metavar="FILE", help="server learning rates found by --tune"
    )
    p.add_argument(
        "--scheme",
        choices=(BFV, COMMITTEE),
        default=BFV,
        help="time to target with this scheme's bytes, and a committee's messages (default: bfv)",
    )
    p.add_argument(
        "--work", type=path_argument, metavar="FOLDER", help="keep every run there, and take it from there next time"
    )
    p.add_argument("--kept-only", action="store_true", help="with --work: the figures of what is there, no new run")
    p.add_argument(
        "--tune",
        nargs="*",
        metavar="NAME",
        help="search the server learning rates (those whose names begin so), write them, and stop",
    )
    args = parse(p, argv, only=[SPEED])
    if args.kept_only and args.work is None:
        p.error("--kept-only shows the runs in the folder that --work names: name one")
    logging.getLogger("flwr").setLevel(logging.WARNING)
    config = read_config(args.config)
    kept = Kept(config, args.work, args.kept_only)
    if args.tune is not None:
        tune(kept, args.rates, config.toy.nodes, tiny=True, only=args.tune)
        return
    rates = read_rates(config, args.rates)
    found = asynchrony_rows.figures(config, run_studies(kept, rates, args.only, args.quick, args.scheme))
    found |= {
        "config": asdict(config),
        "rates": rates,
        "scheme": args.scheme,
        "quick": args.quick,
        "wall_seconds": time.perf_counter() - BEGAN,
    }
    show(*asynchrony_tables.tables(found), *asynchrony_tables.verdicts(found))
    if args.quick:
        show(
            "quick: one seed, runs end at the target; final losses, other strategies and computes, 1,000 hospitals, "
            "weightings, sensitivity and the embedded model are in the full run only"
        )
    if args.out:
        for file in asynchrony_figures.draw(found, args.out, config.headline.published):
            show(f"wrote {file}")
    write_json(args.json, found)


if __name__ == "__main__":
    main()
