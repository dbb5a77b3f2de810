"""``python -m benchmarks.alignment [--python FILE]``: private set intersection, beside OpenMined's in one run.

Two parties with half of their identifiers in common. CPU seconds of all steps of both parties, in turns on one core,
medians; all bytes that travel. Then points a second with threads and processes, and with ``--large`` one alignment of
so many identifiers a party, with its peak memory, in a fresh process.

OpenMined's PSI (ECDH over P-256) needs an environment of its own::

    python3.11 -m venv psi-venv
    psi-venv/bin/python -m pip install openmined-psi==2.0.6

Without ``--python`` ours is measured alone.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from benchmarks.alignment.lock import speeds
from benchmarks.alignment.ours import alignment
from benchmarks.harness.command import parse, parser, say, write_json
from benchmarks.harness.processes import fresh, one_core
from benchmarks.harness.tables import show, table_of
from benchmarks.harness.worker import Worker, WorkerError
from crossward.machine.cores import cores
from crossward.machine.paths import path_argument

WORKER = Path(__file__).with_name("worker.py")
HOW = """Make an environment that has OpenMined's PSI, and name its interpreter:
  python3.11 -m venv psi-venv
  psi-venv/bin/python -m pip install openmined-psi==2.0.6
  python -m benchmarks.alignment --python psi-venv/bin/python"""
STEPS = ("blind", "raise", "compare", "accept")
Row = dict[str, Any]


def row(name: str, found: list[Row], size: int) -> Row:
    """One way's medians. An identifier is one of either party's: there are twice ``size``."""
    cpu = statistics.median(one["cpu_s"] for one in found)
    steps = {step: statistics.median(one["cpu"].get(step, 0.0) for one in found) for step in STEPS}
    return {
        "name": name,
        "identifiers_per_cpu_second": 2 * size / cpu,
        "bytes_per_identifier": found[0]["bytes"] / (2 * size),
        "cpu_s": cpu,
        **{f"{step}_s": seconds for step, seconds in steps.items()},
    }


def our_round(size: int) -> Row:
    """One alignment of two parties on a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        return alignment(Path(folder), size, size // 2)


def _theirs(python: Path, size: int) -> Worker:
    """The process that runs OpenMined's PSI; it says its version first."""
    return Worker(python, WORKER, {"size": size, "common": size // 2}, HOW)


def beside(python: Path | None, size: int, rounds: int) -> dict[str, Any]:
    """All rows, and what OpenMined's version is, where it was measured."""
    samples: dict[str, list[Row]] = {}
    versions: dict[str, str] = {}
    with one_core(), _theirs(python, size) if python else nullcontext() as theirs:
        if theirs:
            versions = theirs.answer()
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            samples.setdefault("ours", []).append(our_round(size))
            for name, found in theirs.round().items() if theirs else ():
                samples.setdefault(f"OpenMined, {name}", []).append(found)
    return {"versions": versions, "rows": [row(name, found, size) for name, found in samples.items()]}


def table(found: dict[str, Any]) -> Iterator[RenderableType]:
    """What was measured, for people."""
    versions = "".join(f"; {name} {version}" for name, version in found["versions"].items())
    yield table_of(
        f"two parties of {found['size']:,}, half in common, one core, medians of {found['rounds']}{versions}",
        found["rows"],
        {
            "": ("name", ""),
            "identifiers / CPU s": ("identifiers_per_cpu_second", ",.0f"),
            "bytes / identifier": ("bytes_per_identifier", ".1f"),
            **{f"{step} CPU s": (f"{step}_s", ".2f") for step in STEPS},
        },
    )
    yield table_of(
        f"raising points, {found['workers']} cores",
        found["lock"],
        {
            "": ("name", ""),
            "points / s": ("points_a_second", ",.0f"),
            "best": ("best", ",.0f"),
            "cores used": ("cores", ".2f"),
        },
    )
    if large := found.get("large"):
        yield (
            f"{large['parties']} parties of {large['size']:,}: peak {large['peak_mib']:,.0f} MiB "
            f"({large['before_mib']:,.0f} before), {large['disk_mib']:,.0f} MiB of disk, {large['cpu_s']:,.0f} CPU s, "
            f"{large['wall_s']:,.0f} s, {large['bytes'] / 2**20:,.0f} MiB moved"
        )


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 2 where the interpreter named has no OpenMined PSI."""
    p = parser("alignment", __doc__)
    p.add_argument("--python", type=path_argument, metavar="FILE", help="an interpreter that has openmined-psi")
    p.add_argument("--size", type=int, default=20_000, help="identifiers of each party (default: 20,000)")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--large", type=int, default=0, metavar="N", help="also one alignment of so many a party")
    args = parse(p, argv, size=300, rounds=1)
    try:
        found = beside(args.python, args.size, args.rounds)
    except WorkerError as error:
        print(error, file=sys.stderr)
        return 2
    workers = max(2, cores())
    found |= {"size": args.size, "rounds": args.rounds, "workers": workers}
    found["lock"] = speeds(args.size // 10, workers, 5 * args.rounds)
    if args.large:
        found["large"] = fresh("benchmarks.alignment.large", "--size", args.large, seconds=6 * 3600)
    show(*table(found))
    write_json(args.json, found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
