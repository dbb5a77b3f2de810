"""``python -m benchmarks.ranks``: what it does to the others, and to itself, when a hospital trains a lower rank.

    python -m benchmarks.ranks [--rank 8] [--low 2] [--seeds 3] [--cases NAME ...] [--json FILE] [--quick]

Six hospitals train one adapter; two of them, with the fewest notes and the slowest machines, train the first ``--low``
components. Compared are: all at the rank, all at the lower one, sums that are divided by the hospitals that train a
component (else zeros count), hospitals that only say that they train fewer (versions are composed as
for them), slices that are trained as if there were no other components, and a run without the two. Losses are of
held-out notes of all six hospitals.

``--set KEY=VALUE`` changes a key of the run config. What is finished is kept in ``--work FOLDER``, and the same command
continues where it stopped.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.command import Progress, parse, parser, write_json
from benchmarks.harness.tables import show, table
from benchmarks.ranks.study import Case, cases, make
from crossward.machine.files import write_atomic
from crossward.machine.paths import path_argument

Row = dict[str, Any]
HOSPITALS = 6
QUICK_RUN = ("strategy.num-versions=2", "train.local-steps=1", "data.max-tokens=32", "data.synthetic-patients=90")


def row_of(name: str, case: Case, given: tuple[str, ...], seed: int, work: Path | None) -> Row:
    """The row of a case and seed, from the folder of finished ones where it is there."""
    path = work / f"{name}-{seed}.json" if work is not None else None
    made_by = {"ranks": list(case.ranks), "given": list(given)}
    if path is not None and path.exists():
        kept: Row = json.loads(path.read_text("utf-8"))
        if kept["made_by"] != made_by:
            raise SystemExit(f"{path} was made by another setting: give --work another folder")
        return kept
    row = {"case": name, "seed": seed, "made_by": made_by, **make(case, HOSPITALS, given, seed)}
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(row) + "\n")
    return row


def summary(rows: Sequence[Row], known: dict[str, Case]) -> list[Row]:
    """For each case means over seeds of the losses; ``against`` is by how much they exceed those of ``high``."""
    out = []
    base = {row["seed"]: row for row in rows if row["case"] == "high"}
    for name in known:
        mine = [row for row in rows if row["case"] == name]
        if not mine:
            continue
        losses = np.array([row["loss"] for row in mine])
        found = {"case": name, "seeds": len(mine), "all": losses.mean(), "full": losses[:, :-2].mean()}
        found |= {"lower": losses[:, -2:].mean(), "worst": losses.max(1).mean()}
        found |= {name: float(np.mean([row[name] for row in mine])) for name in ("seconds", "contributors")}
        apart = [np.mean(row["loss"]) - np.mean(base[row["seed"]]["loss"]) for row in mine if row["seed"] in base]
        if apart:
            found |= {"against": float(np.mean(apart)), "least": float(min(apart)), "most": float(max(apart))}
        out.append(found)
    return out


def print_table(found: Sequence[Row], known: dict[str, Case]) -> None:
    """Losses of every case."""
    columns = (
        "mean",
        "at the four",
        "at the two",
        "worst hospital",
        "more than 'high' (least to most)",
        "contributors",
    )
    made = table("Held-out loss of the global adapter, nats a token", "case", "", *columns, "virtual s")
    for row in found:
        apart = f"{row['against']:+.3f} ({row['least']:+.3f} to {row['most']:+.3f})" if "against" in row else ""
        losses = (f"{row[name]:.3f}" for name in ("all", "full", "lower", "worst"))
        last = f"{row['contributors']:.1f}", f"{row['seconds']:.0f}"
        made.add_row(row["case"], known[row["case"]].about, *losses, apart, *last)
    show(made)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    p = parser("ranks", __doc__)
    p.add_argument("--rank", type=int, default=8, metavar="R")
    p.add_argument("--low", type=int, default=2, metavar="R", help="what two of the hospitals train")
    p.add_argument("--seeds", type=int, default=3, metavar="N")
    p.add_argument("--cases", nargs="+", choices=list(cases(HOSPITALS, 8, 2)), metavar="NAME", help="default: all")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a key of the run config")
    p.add_argument("--work", type=path_argument, metavar="FOLDER", help="keep what is finished there")
    args = parse(p, argv, seeds=1)
    given = (*(QUICK_RUN if args.quick else ()), *args.set)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    known = cases(HOSPITALS, args.rank, args.low)
    wanted = {name: case for name, case in known.items() if name in (args.cases or known)}
    progress, rows = Progress("runs", len(wanted) * args.seeds), list[Row]()
    for seed in range(args.seeds):
        for name, case in wanted.items():
            rows.append(row_of(name, case, given, seed, args.work))
            progress.one()
    found = summary(rows, wanted)
    print_table(found, wanted)
    write_json(args.json, {"rows": rows, "summary": found})


if __name__ == "__main__":
    main()
