"""``python -m benchmarks.few_notes``: what joining is worth to a hospital with few patients.

    python -m benchmarks.few_notes [--sizes 10 30 100 300] [--seeds 3] [--picture FILE] [--json FILE] [--quick]

Four hospitals train one adapter together, asynchronously and with the product's defaults; then the one that the seed
chooses trains alone, and a personal adapter from the global one. "Alone, stopped early" is the personal adapter's own
procedure started from the untuned base: what it gains by stopping in time, without the others. Two cases: this hospital
has few training patients and the others ``--usual``, or all have few. Its held-out patients are the same throughout.

``--set KEY=VALUE`` changes a key of the run config, such as data.source. What is finished is kept in ``--work FOLDER``,
and the same command continues where it stopped.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.few_notes.figures import draw
from benchmarks.few_notes.study import ADAPTERS, ALONE, CASES, GLOBAL, STOPPED, Job, Setting, jobs, make
from benchmarks.few_notes.summary import summary
from benchmarks.harness.command import Progress, parse, parser, write_json
from benchmarks.harness.tables import show, table
from crossward.machine.files import write_atomic
from crossward.machine.paths import path_argument

Row = dict[str, Any]
QUICK_RUN = ("strategy.num-versions=3", "train.local-steps=2", "data.max-tokens=64")


def rows_of(setting: Setting, job: Job, work: Path | None) -> list[Row]:
    """The job's rows, from the folder of finished ones where they are there and were made by the same setting."""
    if work is None:
        return make(setting, job)
    path = work / f"{job.name}.json"
    made_by = {"config": setting.config(job.seed).by_key(), "hospitals": setting.hospitals}
    made_by |= {"usual": setting.usual, "held_out": setting.held_out}
    if path.exists():
        kept = json.loads(path.read_text("utf-8"))
        if kept["setting"] != made_by:
            raise SystemExit(f"{path} was made by another setting: give --work another folder")
        return list(kept["rows"])
    rows = make(setting, job)
    work.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps({"setting": made_by, "rows": rows}) + "\n")
    return rows


def print_tables(found: Sequence[Row]) -> None:
    """Perplexities, and what joining is worth."""
    cases = [(about, rows) for case, about in CASES.items() if (rows := [row for row in found if row["case"] == case])]
    for about, rows in cases:
        made = table(f"Held-out perplexity at home (least to most of a seed): {about}", "training patients", *ADAPTERS)
        for row in rows:
            cells = (row["perplexity"][name] for name in ADAPTERS)
            made.add_row(str(row["size"]), *(f"{p['mean']:.2f} ({p['least']:.2f} to {p['most']:.2f})" for p in cells))
        show(made)
    others = (ALONE, STOPPED, GLOBAL)
    for about, rows in cases:
        made = table(f"Personal minus the other, nats a token [95 % by patient]: {about}", "training patients", *others)
        for row in rows:
            cells = (row["against"][name] for name in others)
            made.add_row(
                str(row["size"]), *(f"{d['difference']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]" for d in cells)
            )
        show(made)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    usual = Setting()
    p = parser("few_notes", __doc__)
    p.add_argument("--sizes", type=int, nargs="+", default=list(usual.sizes), metavar="N", help="training patients")
    p.add_argument("--usual", type=int, default=usual.usual, metavar="N", help="what the others have")
    p.add_argument("--hospitals", type=int, default=usual.hospitals, metavar="N")
    p.add_argument("--seeds", type=int, default=usual.seeds, metavar="N")
    p.add_argument("--held-out", type=int, default=usual.held_out, metavar="N", help="most held-out patients of one")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a key of the run config")
    p.add_argument("--work", type=path_argument, metavar="FOLDER", help="keep what is finished there")
    p.add_argument("--picture", type=path_argument, metavar="FILE", help="draw the figures (PNG or SVG)")
    args = parse(p, argv, sizes=[6, 12], usual=12, hospitals=3, seeds=1, held_out=4)
    given = (*(QUICK_RUN if args.quick else ()), *args.set)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    setting = Setting(tuple(args.sizes), args.usual, args.hospitals, args.seeds, args.held_out, given)
    todo = list(jobs(setting))
    progress, rows = Progress("hospitals", len(todo)), list[Row]()
    for job in todo:
        rows += rows_of(setting, job, args.work)
        progress.one()
    found = summary(rows)
    print_tables(found)
    if args.picture:
        draw(found, args.picture)
    write_json(args.json, {"setting": asdict(setting), "rows": rows, "summary": found})


if __name__ == "__main__":
    main()
