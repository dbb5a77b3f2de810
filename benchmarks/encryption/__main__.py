"""``python -m benchmarks.encryption``: what encryption costs, beside float32 in the clear and the CKKS of HE-FL.

In one run: bytes, speed and error of committees, of BFV's presets, of float32 and of TenSEAL's CKKS with NVFlare's
parameters; the adapter of Llama-3.1-8B through every role, with peak memory; bytes of a round, and of a version with
all that a committee adds; bytes per contributed update in long asynchronous runs. Every figure is measured or computed
from the code, and held against what is required of it.
``--grid`` sends the large adapter through a real ``flwr run`` instead, under BFV: its ClientApps have no seat on a
committee.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.encryption import llama as encryption_llama
from benchmarks.encryption import llama_committee
from benchmarks.encryption import rows as encryption_rows
from benchmarks.encryption import sizes as encryption_sizes
from benchmarks.encryption import tables as encryption_tables
from benchmarks.encryption import traffic as encryption_traffic
from benchmarks.harness.command import parse, parser, say, write_json
from benchmarks.harness.tables import show
from crossward.encryption.plan import PRESETS
from crossward.machine.cores import cores

SECTIONS = ("rows", "llama", "rounds", "traffic", "virtual")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The figures of the sections asked for."""
    out: dict[str, Any] = {}
    if args.grid:
        from benchmarks.encryption import grid as encryption_grid
        from benchmarks.encryption import large_server

        size = (3, 1 / 32) if args.quick else (args.clients, 1.0)
        say(f"the strategy and run folder alone, {size[0]} nodes")
        out["server"] = [large_server.measure(name, size[0], 2, size[1]) for name in args.presets]
        out["grid"] = [encryption_grid.measure(name, size[0], 2, cores(), size[1]) for name in args.presets]
        return out
    if "rows" in args.only:
        out["values"], out["clients"], out["cores"] = args.values, args.clients, cores()
        out["rows"], out["times_compact"] = encryption_rows.measure(args.values, args.clients, args.repeats)
        out["ratios"] = encryption_rows.ratios(out["rows"])
    if "llama" in args.only:
        workers, share = (1, 1 / 32) if args.quick else (cores(), 1.0)
        committees = llama_committee.measure(share, together=args.quick)
        out["llama"] = committees | encryption_llama.measure(args.presets, workers, share)
    if "rounds" in args.only and "rows" in out:
        ckks = next(row for row in out["rows"] if row["name"] == "ckks-nvflare")
        out["rounds"] = encryption_sizes.rounds((ckks["up_bytes_per_value"], ckks["down_bytes_per_value"]))
    if "traffic" in args.only:
        out["traffic"] = encryption_traffic.measure()
    if "virtual" in args.only:
        from benchmarks.encryption import (
            virtual as encryption_virtual,  # Flower takes a second to import, in every process too
        )

        fleets, buffers = ((4,), (4,)) if args.quick else ((4, 16, 100), (4, 10))
        out["virtual"] = encryption_virtual.measure(fleets, buffers, args.versions)
    return out


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    p = parser("encryption", __doc__)
    p.add_argument("--values", type=int, default=1_000_000, help="values of an update (default: 1000000)")
    p.add_argument("--clients", type=int, default=8)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--versions", type=int, default=240, help="versions of the runs on the virtual clock")
    presets = ["compact", "precise"]
    p.add_argument("--presets", nargs="+", choices=tuple(PRESETS), default=presets, help="for the large adapter")
    p.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    p.add_argument("--grid", action="store_true", help="only the large adapter through a real run under BFV (minutes)")
    args = parse(p, argv, values=20_000, repeats=1, versions=12, presets=["compact"])
    found = measure(args)
    found["requirements"] = [] if args.quick else encryption_tables.requirements(found)
    show(*encryption_tables.tables(found))
    write_json(args.json, found)


if __name__ == "__main__":
    main()
