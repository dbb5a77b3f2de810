"""How fast and in how much memory notes are read: ours, beside pandas and DuckDB, in one run.

::

    python -m benchmarks.reading --megabytes 500 --json reading.json

Writes made-up notes once (kept in the cache) as CSV, JSON lines and Parquet. Every way reads four columns as text, in a
process of its own on one core, in turn, ``--repeats`` times; medians are shown. Rates are by processor time, imports
included, so that others on the machine do not matter; peak memory is of that process. The last row is all that happens
to notes before training. Not for tokenising.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.harness.command import parse, parser, say, write_json
from benchmarks.harness.figures import Row, median_range
from benchmarks.harness.processes import fresh, one_core
from benchmarks.harness.tables import Columns, show, table_of
from benchmarks.reading.files import CSV, converted, written
from benchmarks.reading.ways import WAYS, WHOLE, run
from crossward.machine.paths import path_argument

MOST_SECONDS = 3600.0
MEMORY_LIMIT_MB = 600  # what reading notes may take, however many there are


def one(way: str, path: Path) -> Row:
    """The figures of reading ``path`` once, with an empty cache."""
    with tempfile.TemporaryDirectory(prefix="reading-") as home, one_core():
        home_only = {"CROSSWARD_HOME": home}
        found: Row = fresh("benchmarks.reading", "--way", way, path, seconds=MOST_SECONDS, environment=home_only)
    return found


def measure(megabytes: int, repeats: int, formats: bool) -> list[Row]:
    """A row for each way and format: medians, and the range of rows a second."""
    release = written(megabytes)
    paths = converted(release, megabytes) if formats else {CSV: release / CSV}
    tries = [(way, path) for path in paths.values() for way in WAYS] if formats else [("ours", release / CSV)]
    tries.append((WHOLE, release / CSV))
    found: dict[tuple[str, Path], list[Row]] = {}
    for number in range(repeats):
        for way, path in tries:
            say(f"{number + 1} of {repeats}: {way}, {path.name}")
            found.setdefault((way, path), []).append(one(way, path))
    return [summary(way, path, rows) for (way, path), rows in found.items()]


def summary(way: str, path: Path, rows: list[Row]) -> Row:
    """Medians of several tries, and how far apart they were."""
    middle = {name: median_range([row[name] for row in rows])["median"] for name in rows[0]}
    spread = median_range([row["rows_per_second"] for row in rows])
    return {"way": way, "format": path.suffix[1:], "tries": len(rows), **middle, "rows_per_second": spread}


def check(rows: list[Row]) -> list[str]:
    """What is wrong: ways that read different things, or too much memory of ours."""
    wrong = []
    for form in {row["format"] for row in rows}:
        seen = {(row["rows"], row["characters"]) for row in rows if row["format"] == form and row["way"] in WAYS}
        if len(seen) > 1:
            wrong.append(f"{form}: the ways read different rows: {sorted(seen)}")
    for row in rows:
        if row["way"] in ("ours", WHOLE) and row["peak_mb"] > MEMORY_LIMIT_MB:
            wrong.append(f"{row['way']}, {row['format']}: {row['peak_mb']:.0f} MB are above {MEMORY_LIMIT_MB} MB")
    return wrong


def main(argv: list[str] | None = None) -> int:
    """Print the figures; status 1 when ways disagree, or ours took more memory than it may."""
    p = parser("reading", __doc__)
    p.add_argument("--megabytes", type=int, default=500)
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--ours-alone", action="store_true", help="CSV by ours alone: for memory, with much data")
    p.add_argument("--way", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    options = parse(p, argv, megabytes=8, repeats=1)
    if options.way:
        print(json.dumps(run(options.way[0], path_argument(options.way[1]))))
        return 0
    rows = measure(options.megabytes, options.repeats, not options.ours_alone)
    columns: Columns = {
        "way": ("way", ""),
        "format": ("format", ""),
        "rows": ("rows", ",.0f"),
        "MB": ("megabytes", ",.0f"),
        "rows/s": (lambda row: row["rows_per_second"]["median"], ",.0f"),
        "least": (lambda row: row["rows_per_second"]["least"], ",.0f"),
        "most": (lambda row: row["rows_per_second"]["most"], ",.0f"),
        "MB/s": ("megabytes_per_second", ",.1f"),
        "processor s": ("processor_seconds", ",.1f"),
        "s": ("seconds", ",.1f"),
        "peak MB": ("peak_mb", ",.0f"),
    }
    show(table_of(f"Reading notes, medians of {options.repeats}", rows, columns, left=2))
    wrong = check(rows)
    write_json(options.json, {"megabytes": options.megabytes, "rows": rows, "wrong": wrong})
    for line in wrong:
        say(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
