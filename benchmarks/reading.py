"""How fast and in how much memory a MIMIC-III folder is read: ``python -m benchmarks.reading --megabytes 500``.

Writes made-up tables once (kept in the cache), reads them in a process of its own with an empty cache, and prints
rows/s, MB/s, processor time and that process's peak memory, imports included. Not for MIMIC-IV or tokenising.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from crossward.machine.paths import path_argument

MEMORY_LIMIT_MB = 600  # what reading 500 MB may take


def _read(folder: Path) -> dict[str, Any]:
    """Read ``folder`` in this process; the figures."""
    started = time.perf_counter()
    from data import DataConfig, load_hospitals

    imported = time.perf_counter()
    imports_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    hospitals = load_hospitals(DataConfig(source="mimic-iii", path=str(folder)), 4)
    seconds = time.perf_counter() - imported
    used = resource.getrusage(resource.RUSAGE_SELF)
    counts = json.loads(next(Path(os.environ["CROSSWARD_HOME"]).glob("cache/notes/*/counts.json")).read_text())
    size = (folder / "NOTEEVENTS.csv").stat().st_size
    return {
        "rows": counts["read"],
        "notes": sum(len(h.train) + len(h.test) for h in hospitals),
        "megabytes": round(size / 1e6, 1),
        "seconds": round(seconds, 2),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 2),
        "rows_per_second": round(counts["read"] / seconds),
        "megabytes_per_second": round(size / 1e6 / seconds, 1),
        "import_seconds": round(imported - started, 2),
        "peak_mb_after_imports": round(imports_mb),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


def measure(megabytes: int) -> dict[str, Any]:
    """Write the tables if need be, read them in a subprocess; the figures."""
    from data.cache import cached, digest
    from data.synthetic.bulk import write_bulk

    def build(folder: Path) -> None:
        print(f"writing {megabytes} MB of made-up notes", file=sys.stderr, flush=True)
        write_bulk(folder, megabytes << 20, seed=0)

    folder = cached("benchmark", digest("reading", megabytes), build)
    with tempfile.TemporaryDirectory(prefix="reading-") as home:
        environment = {**os.environ, "CROSSWARD_HOME": home}
        command = [sys.executable, "-m", "benchmarks.reading", "--read", str(folder)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(argv: list[str] | None = None) -> int:
    """Print the figures; status 1 when reading took more memory than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--json", type=path_argument, help="write the figures to this file")
    parser.add_argument("--read", type=path_argument, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.read:
        print(json.dumps(_read(options.read)))
        return 0
    figures = measure(options.megabytes)
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):24}{value:>12,}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    if figures["peak_mb"] > MEMORY_LIMIT_MB:
        print(f"peak memory is above {MEMORY_LIMIT_MB} MB", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
