"""What the command line of every benchmark has: ``--json`` and ``--quick``, lines of progress, figures in a file.

It runs without rich, as ``benchmarks.gpu`` does on a bare machine.

Not for: tables (``benchmarks.harness.tables``).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossward.machine.files import write_atomic
from crossward.machine.paths import path_argument

BEGAN = time.perf_counter()
QUICK = "small sizes: whether it works, not how fast it is"


def say(text: str) -> None:
    """A line of progress on stderr, after the seconds since the start."""
    print(f"[{time.perf_counter() - BEGAN:5.0f} s] {text}", file=sys.stderr, flush=True)


class Progress:
    """Says how many of ``total`` are done and how long the rest will take, about eight times in all."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.began = time.perf_counter()

    def one(self) -> None:
        """Count one more as done."""
        self.done += 1
        if self.done == self.total or self.done % max(self.total // 8, 1) == 0:
            left = (time.perf_counter() - self.began) * (self.total - self.done) / self.done
            say(f"{self.what}: {self.done} of {self.total}, about {left:.0f} s left")


def parser(name: str, doc: str | None, *, seed: bool = False, quick: str = QUICK) -> argparse.ArgumentParser:
    """The parser of the benchmark ``name``, described by its module's docstring ``doc``."""
    raw = argparse.RawDescriptionHelpFormatter
    p = argparse.ArgumentParser(prog="python -m " + f"benchmarks.{name}", description=doc, formatter_class=raw)
    p.add_argument("--json", type=path_argument, metavar="FILE", help="write every figure there as well")
    p.add_argument("--quick", action="store_true", help=quick)
    if seed:
        p.add_argument("--seed", type=int, default=0, help="the same one gives the same run (default: 0)")
    return p


def parse(p: argparse.ArgumentParser, argv: Sequence[str] | None, **small: Any) -> argparse.Namespace:
    """The options in ``argv``; with ``--quick``, ``small`` stands for what is not given."""
    args = p.parse_args(argv)
    if args.quick:
        p.set_defaults(**small)
        args = p.parse_args(argv)
    return args


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it: what is not finite was never reached, and becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path | None, found: Any) -> None:
    """Put ``found`` into the file that ``--json`` names, whole or not at all; nothing where it was not given."""
    if path is not None:
        write_atomic(path, json.dumps(plain(found), indent=2, allow_nan=False) + "\n")
