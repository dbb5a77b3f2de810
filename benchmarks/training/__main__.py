"""``python -m benchmarks.training``: our training loop beside the plainest one, and what a message costs around it.

In one run, on one made-up hospital's notes: tokens a second of our loop, of a bare PyTorch and PEFT loop and of a
``transformers.Trainer`` per round; the overhead of a sealed message with both engines, a new process for every message
as Flower has it; and the worker group with one and two processes on CPUs. Every ratio is the median of pairs that were
measured side by side, since the machine's speed changes; every figure is measured.
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.harness.command import parse, parser, write_json
from benchmarks.harness.figures import median_range
from benchmarks.harness.tables import show
from benchmarks.training import messages as training_messages
from benchmarks.training import node as training_node
from benchmarks.training import ranks as training_ranks
from benchmarks.training import tables as training_tables
from crossward.config.train_settings import IN_PROCESS, WORKER_GROUP


def _loops(args: argparse.Namespace, folder: Path, notes: Path) -> dict[str, Any]:
    from benchmarks.training import (
        loops as training_loops,  # torch and transformers, which the other section does without
    )

    return training_loops.measure(folder, notes, args.steps, args.repeats)


def _messages(args: argparse.Namespace, folder: Path, notes: Path) -> dict[str, Any]:
    nexts = [{IN_PROCESS: 0 if args.quick else 2, WORKER_GROUP: 1 if args.quick else 2}] * args.lifetimes
    with ExitStack() as ends:
        at_once = 2 if args.quick else 1
        found, hospital = training_messages.measure(folder / "messages", notes, args.steps, nexts, at_once, ends)
        ranks: dict[str, Any] = {"rows": [], "pairs": {}, "processes_left": 0}
        if not args.quick:  # it takes two processes more, each of which imports torch
            ranks = training_ranks.measure(folder / "ranks", hospital, args.steps, args.lifetimes)
        left = found["processes_left"] + ranks["processes_left"] + hospital.leave()
    rows, pairs = found["rows"] + ranks["rows"], found["pairs"] | ranks["pairs"]
    return found | ranks | {"rows": rows, "pairs": pairs, "processes_left": left}


SECTIONS = {"messages": _messages, "loops": _loops}


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The figures of the sections asked for."""
    notes = training_node.write_notes(folder / "notes.csv", 30 if args.quick else training_node.PATIENTS)
    # nothing is timed in earnest when it is to be quick, so that the sections may run at once
    with ThreadPoolExecutor(2 if args.quick else 1) as pool:
        jobs = [pool.submit(work, args, folder, notes) for name, work in SECTIONS.items() if name in args.only]
        parts = [job.result() for job in jobs]
    out: dict[str, Any] = {"steps": args.steps, "rows": [], "pairs": {}}
    for part in parts:
        rows, pairs = out["rows"] + part["rows"], out["pairs"] | part["pairs"]
        out |= part | {"rows": rows, "pairs": pairs}
    out["pairs"] = {name: found for name, found in out["pairs"].items() if found}
    out["ratios"] = {name: median_range(found)["median"] for name, found in out["pairs"].items()}
    return out


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    p = parser("training", __doc__)
    p.add_argument("--repeats", type=int, default=11, help="turns of the loops (default: 11)")
    p.add_argument("--steps", type=int, default=10, help="optimiser steps a training (default: 10)")
    p.add_argument("--lifetimes", type=int, default=3, help="first messages of each engine (default: 3)")
    p.add_argument("--only", nargs="+", choices=tuple(SECTIONS), default=list(SECTIONS))
    args = parse(p, argv, repeats=0, steps=2, lifetimes=1)
    with tempfile.TemporaryDirectory(prefix="crossward-") as folder:
        found = measure(args, Path(folder))
    found["requirements"] = [] if args.quick else training_tables.requirements(found)
    show(*training_tables.tables(found))
    if args.quick:
        show("small sizes, all at once: none of these figures says how fast anything is")
    write_json(args.json, found)


if __name__ == "__main__":
    main()
