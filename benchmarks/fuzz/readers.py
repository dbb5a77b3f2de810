"""Mutated files of notes at their readers: what is read or refused, and whether every row is accounted for.

::

    python -m benchmarks.fuzz.readers --files 10000

Small sound files of every source are damaged as transport, editors and exports damage them, or at random, and read as a
hospital's would be. Nothing may come of it but notes or an error of ours that says what is wrong: an exception of
another package, an error that asks to be reported, or a row that is neither kept nor counted under a reason fails.
Where lines can be counted without a parser, they are, and have to be as many as were read.

Not for: what an error repeats of a file (``tests/data/test_quoting.py``).
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fuzz.material import Material, sound_files
from benchmarks.fuzz.spoiling import SPOILS, inside
from benchmarks.harness.command import Progress, parse, parser, write_json
from benchmarks.harness.figures import counted
from data.errors import DataError
from data.notes_file import notes_file
from data.sources import place

SLOW = 20.0  # seconds that a small file may take on a busy machine


@dataclass
class Tally:
    """What became of the files, by source and outcome; ``wrong`` must stay empty."""

    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0


def outcome(made: Material, path: Path) -> tuple[str, dict[str, int]]:
    """How reading ``path`` ends, in a word or with what is wrong, and the counts of what was read."""
    try:
        config = made.reads(path)
        folder = notes_file(place(config), config)
    except DataError as error:
        unnamed = "report it as a fault of this program" in str(error)
        return (f"WRONG: {error}" if unnamed else "refused"), {}
    except Exception as error:
        return f"WRONG: {type(error).__name__}: {error}", {}
    counts: dict[str, int] = json.loads((folder / "counts.json").read_text())
    lost = counts["read"] - sum(count for why, count in counts.items() if why != "read")
    return (f"WRONG: {lost} rows are unaccounted" if lost else "read"), counts


def lines_in(path: Path, made: Material) -> int | None:
    """How many rows a file of lines holds; None where only a parser can tell."""
    content = path.read_bytes() if made.of_lines else b"\xff"
    if not content.isascii() or any(sign in content for sign in (b'"', b"'", b"\\", b"\0", b"\r")):
        return None
    held = [line for line in content.split(b"\n") if line.strip(b" \t,;|")]
    return len(held) - 1


def try_one(made: Material, rng: random.Random, folder: Path, tally: Tally) -> None:
    """Damage one file of ``made`` and read all of them."""
    here = Path(tempfile.mkdtemp(dir=folder))
    copy = here / made.path.name
    shutil.copytree(made.path, copy) if made.path.is_dir() else shutil.copy(made.path, copy)
    spoilt = rng.choice(sorted(p for p in copy.rglob("*") if p.is_file())) if copy.is_dir() else copy
    names = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name, spoil = rng.choice(SPOILS)
        names.append(name)
        spoilt.write_bytes(inside(spoilt.read_bytes(), spoil, rng))
    began = time.perf_counter()
    found, counts = outcome(made, copy)
    tally.slowest = max(tally.slowest, time.perf_counter() - began)
    rows = lines_in(copy, made) if found == "read" else None
    if rows is not None and rows != counts["read"]:
        found = f"WRONG: {rows} rows, of which {counts['read']} were read"
    tally.tried += 1
    tally.outcomes[f"{made.source}: {found.partition(':')[0].lower()}"] += 1
    tally.reasons.update({why: count for why, count in counts.items() if why not in ("read", "kept")})
    if found.startswith("WRONG"):
        tally.wrong.append(f"{made.source}, {', '.join(names)}: {found}"[:300])
    shutil.rmtree(here)
    shutil.rmtree(Path(os.environ["CROSSWARD_HOME"]) / "cache", ignore_errors=True)


def fuzz_readers(files: int, seed: int = 0, progress: bool = False) -> Tally:
    """``files`` damaged files, the same ones for the same ``seed``, shared among the sources."""
    tally, rng = Tally(), random.Random(seed)
    before = os.environ.get("CROSSWARD_HOME")
    logging.getLogger("crossward.data").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CROSSWARD_HOME"] = f"{folder}/home"
        made = sound_files(Path(folder) / "sound")
        for one in made:
            found, _ = outcome(one, one.path)
            assert found == "read", f"{one.source}, undamaged: {found}"
        shown = Progress("files", files) if progress else None
        try:
            for number in range(files):
                try_one(made[number % len(made)], rng, Path(folder), tally)
                if shown:
                    shown.one()
        finally:
            logging.getLogger("crossward.data").setLevel(logging.NOTSET)
            os.environ.pop("CROSSWARD_HOME")
            if before is not None:
                os.environ["CROSSWARD_HOME"] = before
    if tally.slowest > SLOW:
        tally.wrong.append(f"one small file took {tally.slowest:.1f} s")
    return tally


def table(tally: Tally, seconds: float) -> str:
    """The tally for people."""
    rows = [f"{tally.tried} damaged files in {seconds:.1f} s, the slowest {tally.slowest:.2f} s", ""]
    rows += counted(dict(sorted(tally.outcomes.items())))
    rows += ["", "rows left out of the files that were read", *counted(dict(tally.reasons.most_common()))]
    rows += ["", f"exceptions, unnamed errors and rows unaccounted: {len(tally.wrong)}", *sorted(set(tally.wrong))]
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 when anything was wrong."""
    p = parser("fuzz.readers", __doc__, seed=True)
    p.add_argument("--files", type=int, default=10_000)
    options = parse(p, argv, files=300)
    began = time.perf_counter()
    tally = fuzz_readers(options.files, options.seed, progress=True)
    print(table(tally, time.perf_counter() - began))
    write_json(options.json, dataclasses.asdict(tally))
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
