"""``python -m research.compare [--quick]``: the methods side by side, as a table, ``comparison.json`` and figures.

Not for: what is compared (``research.compare.methods``) or how (``research.compare.command``).
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from client_app.training import threads  # noqa: F401 - before torch, so that OpenMP waits passively
from crossward.machine.paths import path_argument


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from research.compare.methods import METHODS

    p = argparse.ArgumentParser(
        prog="python -m research.compare",
        description="Train the same notes with the same steps by every method; show quality, leakage, bytes, seconds.",
    )
    p.add_argument("--quick", action="store_true", help="a small comparison, minutes on two cores")
    p.add_argument(
        "--methods",
        nargs="+",
        choices=tuple(METHODS),
        default=list(METHODS),
        metavar="METHOD",
        help=f"only these of {', '.join(METHODS)}",
    )
    p.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N-1 (default: as the setting says)")
    p.add_argument("--hospitals", type=int, metavar="N", help="hospitals to share the notes out to (default: 4)")
    p.add_argument(
        "--rounds", type=int, metavar="N", help="local trainings of every hospital (default: as the setting)"
    )
    p.add_argument("--ablations", action="store_true", help="also change one setting of the encrypted method at a time")
    p.add_argument("--no-attacks", action="store_true", help="leave leakage out: minutes less")
    p.add_argument(
        "--out",
        type=path_argument,
        metavar="FOLDER",
        help="where results go; a folder of an interrupted comparison is gone on with "
        "(default: runs/comparison-<UTC time> in CROSSWARD_HOME)",
    )
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a run-config key for all methods, e.g. --set data.source=csv --set data.path=/notes.csv",
    )
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when everything asked for was done."""
    given = parser()
    args = given.parse_args(argv)
    if args.seeds is not None and args.seeds < 1:
        given.error(f"--seeds {args.seeds}: expected at least 1")
    if args.rounds is not None and args.rounds < 1:
        given.error(f"--rounds {args.rounds}: expected at least 1")
    from rich.console import Console

    from crossward.adapters import AdapterError
    from crossward.config.run_config import SECTIONS
    from crossward.config.settings import SettingsError, resolve_paths
    from crossward.evaluation.replay import EvaluationError
    from crossward.launcher.errors import LauncherError
    from crossward.launcher.overrides import app_defaults, read_overrides
    from crossward.machine.paths import PathError, home
    from data import DataError
    from research.compare.command import Wanted, compare
    from research.compare.settings import FULL, QUICK, adjusted

    console = Console(width=None if Console().is_terminal else 200)
    try:
        out = args.out or home() / "runs" / f"comparison-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        defaults = app_defaults(Path(__file__).resolve().parents[2])
        overrides = tuple(sorted(resolve_paths(SECTIONS.values(), read_overrides(args.set, defaults)).items()))
        setting = adjusted(
            QUICK if args.quick else FULL,
            seeds=args.seeds,
            hospitals=args.hospitals,
            rounds=args.rounds,
            given=overrides or None,
        )
        compare(
            setting, Wanted(tuple(args.methods), args.ablations, not args.no_attacks), out.resolve(), defaults, console
        )
    except (EvaluationError, AdapterError, DataError, SettingsError, LauncherError, PathError, OSError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
