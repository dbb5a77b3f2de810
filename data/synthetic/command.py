"""What ``crossward data make`` does: write made-up MIMIC tables into a folder.

Not for: its options (``crossward.cli.data``).
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from data.synthetic.bulk import write_bulk
from data.synthetic.houses import HOUSES
from data.synthetic.tables import records, shares
from data.synthetic.tables_iii import write_mimic_iii
from data.synthetic.tables_iv import write_mimic_iv


class MakeError(ValueError):
    """The tables cannot be made as asked; the text says why."""


class _Progress:
    """A line that counts notes, rewritten on a terminal and silent elsewhere."""

    def __init__(self) -> None:
        self.started = self.shown = time.monotonic()
        self.seen = sys.stderr.isatty()

    def __call__(self, notes: int) -> None:
        if self.seen and time.monotonic() - self.shown > 0.2:
            self.shown = time.monotonic()
            print(f"\r{notes:,} notes", end="", file=sys.stderr, flush=True)


def write(
    form: str,
    out: Path,
    hospitals: int,
    patients: int,
    seed: int,
    megabytes: int,
    gzip: bool,
    split: bool,
    say: Callable[[str], None],
) -> None:
    """Write the tables of ``patients`` of ``hospitals`` into ``out``, or ``megabytes`` of notes; ``say`` what there is.

    Raises
    ------
    MakeError
        the options do not go together, or ``out`` holds something: it may be real notes.
    """
    if not 1 <= hospitals <= len(HOUSES):
        raise MakeError(f"--hospitals {hospitals}: there are 1 to {len(HOUSES)} made-up hospitals")
    if patients < 2 * hospitals:
        raise MakeError(f"--patients {patients}: at least two for each of {hospitals} hospitals are needed")
    if megabytes and (form != "mimic-iii" or split or gzip):
        raise MakeError("--megabytes goes with --form mimic-iii alone, neither --split nor --gzip")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MakeError(f"--out {out} is not empty: name a folder that is empty or does not exist")
    progress = _Progress()
    if megabytes:
        notes = write_bulk(out, megabytes << 20, seed, progress)
        say(f"{notes:,} notes in {out} in {time.monotonic() - progress.started:.1f} s")
        return
    write_tables = write_mimic_iii if form == "mimic-iii" else write_mimic_iv
    sizes = shares(patients, hospitals)
    for index in range(hospitals) if split else [None]:
        name = "" if index is None else f"{index + 1}-{re.sub(r'[^a-z]+', '-', HOUSES[index].name.lower()).strip('-')}"
        count = sum(sizes) if index is None else sizes[index]
        notes = write_tables(records(patients, hospitals, seed, only=index), out / name, gzip, progress)
        say(f"{notes:,} notes of {count:,} patients in {out / name}")
