"""``python -m data.synthetic``: write made-up MIMIC tables into a folder.

    python -m data.synthetic --form mimic-iii --out /tmp/mimic --patients 1000 --seed 1
    python -m data.synthetic --form mimic-iv --out /tmp/sites --split --gzip
    python -m data.synthetic --out /tmp/large --megabytes 500

``--split`` writes one folder for each hospital, for nodes that each have their own; ``--megabytes`` writes until the
table of notes is about so large (MIMIC-III form, in one folder), re-using note bodies for speed.
"""

from __future__ import annotations

import argparse
import re
import sys
import time

from crossward.machine.paths import path_argument
from data.synthetic.bulk import write_bulk
from data.synthetic.houses import HOUSES
from data.synthetic.tables import records, shares
from data.synthetic.tables_iii import write_mimic_iii
from data.synthetic.tables_iv import write_mimic_iv


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m data.synthetic", description=__doc__.splitlines()[0])
    parser.add_argument("--form", choices=("mimic-iii", "mimic-iv"), default="mimic-iii")
    parser.add_argument("--out", type=path_argument, required=True, help="the folder to write into")
    parser.add_argument("--hospitals", type=int, default=4, help=f"how many, 1 to {len(HOUSES)} (default: 4)")
    parser.add_argument("--patients", type=int, default=600, help="of all hospitals together (default: 600)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--megabytes", type=int, default=0, help="size of NOTEEVENTS instead of --patients")
    parser.add_argument("--gzip", action="store_true", help="write .csv.gz")
    parser.add_argument("--split", action="store_true", help="one folder for each hospital")
    found = parser.parse_args(argv)
    if not 1 <= found.hospitals <= len(HOUSES):
        parser.error(f"--hospitals {found.hospitals}: there are 1 to {len(HOUSES)} made-up hospitals")
    if found.patients < 2 * found.hospitals:
        parser.error(f"--patients {found.patients}: at least two for each of {found.hospitals} hospitals are needed")
    if found.megabytes and (found.form != "mimic-iii" or found.split or found.gzip):
        parser.error("--megabytes goes with --form mimic-iii alone, neither --split nor --gzip")
    if found.out.exists() and (not found.out.is_dir() or any(found.out.iterdir())):  # it may hold real notes
        parser.error(f"--out {found.out} is not empty: name a folder that is empty or does not exist")
    return found


class _Progress:
    """A line that counts notes, rewritten on a terminal and silent elsewhere."""

    def __init__(self) -> None:
        self.started = self.shown = time.monotonic()
        self.seen = sys.stderr.isatty()

    def __call__(self, notes: int) -> None:
        if self.seen and time.monotonic() - self.shown > 0.2:
            self.shown = time.monotonic()
            print(f"\r{notes:,} notes", end="", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Write the tables; returns the exit status."""
    options = _arguments(argv)
    progress = _Progress()
    if options.megabytes:
        notes = write_bulk(options.out, options.megabytes << 20, options.seed, progress)
        print(f"{notes:,} notes in {options.out} in {time.monotonic() - progress.started:.1f} s")
        return 0
    write = write_mimic_iii if options.form == "mimic-iii" else write_mimic_iv
    sizes = shares(options.patients, options.hospitals)
    for index in range(options.hospitals) if options.split else [None]:
        name = "" if index is None else f"{index + 1}-{re.sub(r'[^a-z]+', '-', HOUSES[index].name.lower()).strip('-')}"
        count = sum(sizes) if index is None else sizes[index]
        found = records(options.patients, options.hospitals, options.seed, only=index)
        notes = write(found, options.out / name, options.gzip, progress)
        print(f"{notes:,} notes of {count:,} patients in {options.out / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
