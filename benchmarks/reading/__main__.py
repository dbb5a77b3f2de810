"""How fast and in how much memory a MIMIC-III folder is read: ``python -m benchmarks.reading --megabytes 500``.

Writes made-up tables once (kept in the cache), reads them in a process of its own with an empty cache, and prints
rows/s, MB/s, processor time and that process's peak memory, imports included. Not for MIMIC-IV or tokenising.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness.command import parse, parser, say, write_json
from benchmarks.harness.figures import Row
from benchmarks.harness.peak import own_peak
from benchmarks.harness.processes import fresh
from benchmarks.harness.tables import show, side_by_side
from crossward.machine.paths import path_argument

MOST_SECONDS = 3600.0
MEMORY_LIMIT_MB = 600  # what reading 500 MB may take


def _read(folder: Path) -> Row:
    """Read ``folder`` in this process; the figures."""
    started = time.perf_counter()
    from data import DataConfig, load_hospitals

    imported = time.perf_counter()
    imports_mb = own_peak()
    hospitals = load_hospitals(DataConfig(source="mimic-iii", path=str(folder)), 4)
    seconds = time.perf_counter() - imported
    used = os.times()
    counts = json.loads(next(Path(os.environ["CROSSWARD_HOME"]).glob("cache/notes/*/counts.json")).read_text())
    size = (folder / "NOTEEVENTS.csv").stat().st_size
    return {
        "rows": counts["read"],
        "notes": sum(len(h.train) + len(h.test) for h in hospitals),
        "megabytes": round(size / 1e6, 1),
        "seconds": round(seconds, 2),
        "processor_seconds": round(used.user + used.system, 2),
        "rows_per_second": round(counts["read"] / seconds),
        "megabytes_per_second": round(size / 1e6 / seconds, 1),
        "import_seconds": round(imported - started, 2),
        "peak_mb_after_imports": round(imports_mb),
        "peak_mb": round(own_peak()),
    }


def measure(megabytes: int) -> Row:
    """Write the tables if need be, read them in a subprocess; the figures."""
    from data.cache import cached, digest
    from data.synthetic.bulk import write_bulk

    def build(folder: Path) -> None:
        say(f"writing {megabytes} MB of made-up notes")
        write_bulk(folder, megabytes << 20, seed=0)

    folder = cached("benchmark", digest("reading", megabytes), build)
    with tempfile.TemporaryDirectory(prefix="reading-") as home:
        home_only = {"CROSSWARD_HOME": home}
        found: Row = fresh("benchmarks.reading", "--read", folder, seconds=MOST_SECONDS, environment=home_only)
    return found


def main(argv: list[str] | None = None) -> int:
    """Print the figures; status 1 when reading took more memory than it may."""
    p = parser("reading", __doc__)
    p.add_argument("--megabytes", type=int, default=500)
    p.add_argument("--read", type=path_argument, help=argparse.SUPPRESS)
    options = parse(p, argv, megabytes=20)
    if options.read:
        print(json.dumps(_read(options.read)))
        return 0
    figures = measure(options.megabytes)
    show(side_by_side("Reading a MIMIC-III folder", {"measured": figures}, ","))
    write_json(options.json, figures)
    if figures["peak_mb"] > MEMORY_LIMIT_MB:
        say(f"peak memory is above {MEMORY_LIMIT_MB} MB")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
