"""``python -m benchmarks.encryption``: what encryption costs, beside float32 in the clear and the CKKS of HE-FL.

In one run: bytes, speed and error of every preset, of float32 and of TenSEAL's CKKS with NVFlare's parameters; the
adapter of Llama-3.1-8B through client and server, with peak memory; bytes of a round; bytes per contributed update in
long asynchronous runs. Every figure is measured or computed from the code, and held against what is required of it.
``--grid`` sends the large adapter through a real ``flwr run`` instead.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from benchmarks import encryption_llama, encryption_rows, encryption_sizes, encryption_tables
from crossward.encryption.plan import PRESETS
from crossward.machine.paths import path_argument

SECTIONS = ("rows", "llama", "rounds", "virtual")
BEGAN = time.perf_counter()


def say(text: str) -> None:
    """A line of progress."""
    print(f"[{time.perf_counter() - BEGAN:5.0f} s] {text}", file=sys.stderr, flush=True)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The figures of the sections asked for."""
    out: dict[str, Any] = {}
    if args.grid:
        from benchmarks import encryption_grid, large_server

        size = (3, 1 / 32) if args.quick else (args.clients, 1.0)
        cores = encryption_rows.cores()
        say(f"the strategy and run folder alone, {size[0]} nodes")
        out["server"] = [large_server.measure(name, size[0], 2, size[1]) for name in args.presets]
        out["grid"] = [encryption_grid.measure(name, size[0], 2, cores, size[1], say) for name in args.presets]
        return out
    if "rows" in args.only:
        out["values"], out["clients"], out["cores"] = args.values, args.clients, encryption_rows.cores()
        out["rows"] = encryption_rows.measure(args.values, args.clients, args.repeats, say)
        out["ratios"] = encryption_rows.ratios(out["rows"])
    if "llama" in args.only:
        cores = 1 if args.quick else encryption_rows.cores()
        out["llama"] = encryption_llama.measure(args.presets, cores, 1 / 32 if args.quick else 1.0, say)
    if "rounds" in args.only and "rows" in out:
        ckks = next(row for row in out["rows"] if row["name"] == "ckks-nvflare")
        out["rounds"] = encryption_sizes.rounds((ckks["up_bytes_per_value"], ckks["down_bytes_per_value"]))
    if "virtual" in args.only:
        from benchmarks import encryption_virtual  # Flower takes a second to import, in every process too

        fleets, buffers = ((4,), (4,)) if args.quick else ((4, 16, 100), (4, 10))
        out["virtual"] = encryption_virtual.measure(fleets, buffers, args.versions, say)
    return out


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.encryption", description=__doc__)
    p.add_argument("--values", type=int, default=1_000_000, help="values of an update (default: 1000000)")
    p.add_argument("--clients", type=int, default=8)
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--versions", type=int, default=240, help="versions of the runs on the virtual clock")
    presets = ["compact", "precise"]
    p.add_argument("--presets", nargs="+", choices=tuple(PRESETS), default=presets, help="for the large adapter")
    p.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    p.add_argument("--grid", action="store_true", help="the large adapter through a real run, nothing else (minutes)")
    p.add_argument("--quick", action="store_true", help="small sizes: whether it works, not how fast it is")
    p.add_argument("--json", type=path_argument, metavar="FILE")
    args = p.parse_args(argv)
    if args.quick:
        args.values, args.repeats, args.versions, args.presets = 20_000, 1, 12, ["compact"]
    found = measure(args)
    found["requirements"] = [] if args.quick else encryption_tables.requirements(found)
    print("\n".join(encryption_tables.tables(found)))
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
