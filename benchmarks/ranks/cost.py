"""``python -m benchmarks.ranks.cost``: what a hospital's machine saves by a lower rank.

    python -m benchmarks.ranks.cost [--model FOLDER_OR_HUB_ID] [--rank 8] [--low 4 2 1] [--steps 6] [--json FILE]

Every rank is trained in a process of its own on the same batches of the synthetic notes: trained values, bytes of their
gradients and AdamW's moments, CPU seconds a step (the median of all but the first), and the peak memory of the process.
"""

from __future__ import annotations

import client_app.training.threads  # noqa: F401  # isort: skip - before torch, so that OpenMP waits passively

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.harness.command import parse, parser, write_json
from benchmarks.harness.peak import own_peak
from benchmarks.harness.tables import show, table
from client_app.training.learner import adapted_model, notes
from client_app.training.loop import train_steps
from client_app.training.threads import share_cores
from crossward.adapters.slices import trained_slice
from crossward.config.run_config import RunConfig
from data import tokenise, train_batches

Row = dict[str, Any]
TRAINED_BYTES = 12  # of a trained value beside itself, float32: its gradient and two moments


def measure(model: str, rank: int, own: int, steps: int, tokens: int) -> Row:
    """A training of ``own`` of ``rank`` components (0: all) in this process."""
    config = RunConfig.read({"model.device": "cpu", "model.name": model, "lora.rank": rank, "data.max-tokens": tokens})
    share_cores(config.node.threads)
    adapted = adapted_model(config.model, config.lora, 0)
    hospital = notes(config.data, 0, 6)
    data = tokenise(hospital.train, adapted.base.tokenizer, config.data, hospital.labels)
    batches = train_batches(data, config.train.batch_size, np.random.default_rng(0), None)
    moments, loaded = list[float](), own_peak()
    with trained_slice(adapted.model, own):
        values = sum(p.numel() for p in adapted.model.parameters() if p.requires_grad)
        settings = replace(config.train, accumulation=1)
        train_steps(
            adapted.model, batches, steps, lambda step: 1e-4, settings, lambda *_: moments.append(time.process_time())
        )
    seconds = statistics.median(np.diff(moments).tolist())
    return {"rank": own or rank, "values": values, "seconds": seconds, "loaded": loaded, "peak": own_peak()}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    p = parser("ranks.cost", __doc__)
    p.add_argument("--model", default="embedded", metavar="NAME")
    p.add_argument("--rank", type=int, default=8, metavar="R")
    p.add_argument("--low", type=int, nargs="+", default=[4, 2, 1], metavar="R")
    p.add_argument("--steps", type=int, default=6, metavar="N")
    p.add_argument("--tokens", type=int, default=128, metavar="N", help="data.max-tokens")
    p.add_argument("--own", type=int, metavar="R", help="measure this rank alone, in this process (0: all)")
    args = parse(p, argv, low=[2], steps=3, tokens=32)
    if args.own is not None:
        print(json.dumps(measure(args.model, args.rank, args.own, args.steps, args.tokens)))
        return
    rows = list[Row]()
    for own in (0, *args.low):
        given = [
            "--model",
            args.model,
            "--rank",
            args.rank,
            "--own",
            own,
            "--steps",
            args.steps,
            "--tokens",
            args.tokens,
        ]
        command = [sys.executable, "-m", "benchmarks.ranks.cost", *map(str, given)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    made = table(
        f"{args.model}, rank {args.rank}: what a slice takes", "rank", "trained values", "gradients and moments, MiB",
        "CPU s a step", "peak before training, MiB", "peak, MiB",
    )  # fmt: skip
    for row in rows:
        extra = row["values"] * TRAINED_BYTES / 2**20
        cells = f"{extra:.2f}", f"{row['seconds']:.3f}", f"{row['loaded']:.0f}", f"{row['peak']:.0f}"
        made.add_row(str(row["rank"]), f"{row['values']:,}", *cells)
    show(made)
    write_json(args.json, {"rows": rows})


if __name__ == "__main__":
    main()
