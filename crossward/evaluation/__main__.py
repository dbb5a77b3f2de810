"""``python -m crossward.evaluation --run runs/<...>``: open the global adapter, export it, measure it, show it at work.

Steps: read the run folder and check its ledger; replay its versions into the adapter, with the consortium's key if they
are sealed; write it as a PEFT folder; measure untuned base, global adapter, every hospital's own adapter where its
state folder is on this machine, and on request a centrally trained one, at every hospital; print the table and a few
generations; write ``evaluation.json``.

Not for: the attack suite or the comparison of methods.
"""

from __future__ import annotations

import argparse
import sys

from client_app import threads  # noqa: F401 - before torch, so that OpenMP waits passively
from crossward.machine.paths import path_argument


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m crossward.evaluation", description="Open a run's global adapter and measure it."
    )
    p.add_argument("--run", type=path_argument, required=True, metavar="FOLDER", help="the run folder")
    p.add_argument(
        "--key", type=path_argument, metavar="FILE", help="the consortium's key file: opens a sealed adapter"
    )
    p.add_argument(
        "--passphrase-file", type=path_argument, metavar="FILE", help="the key file's passphrase, if it has one"
    )
    p.add_argument("--version", type=int, metavar="V", help="measure this version (default: the last)")
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="measure on other notes or with another setting, e.g. --set data.source=csv --set data.path=/notes.csv",
    )
    p.add_argument(
        "--sites", type=int, metavar="N", help="hospitals to partition the notes into (default: as in the run)"
    )
    p.add_argument(
        "--notes",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="measure on this hospital's own notes, read as data.source says; once for each hospital",
    )
    p.add_argument(
        "--centralised", action="store_true", help="also train on all notes in one place, with as many steps in all"
    )
    p.add_argument(
        "--generations", type=int, default=2, metavar="N", help="continuations to print side by side (default: 2)"
    )
    p.add_argument(
        "--adapter",
        type=path_argument,
        metavar="FOLDER",
        help="where to write the PEFT folder (default: <run>/adapter)",
    )
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when everything asked for was done."""
    args = parser().parse_args(argv)
    from crossward.adapters.lazy_imports import no_collection

    with no_collection():
        from crossward.adapters import AdapterError
        from crossward.config.settings import SettingsError
        from crossward.encryption.key_format import KeyFileError
        from crossward.evaluation.replay import EvaluationError
        from crossward.evaluation.report import evaluate
        from crossward.machine.paths import PathError
        from data import DataError

    try:
        evaluate(args)
    except (EvaluationError, AdapterError, DataError, KeyFileError, SettingsError, PathError) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
