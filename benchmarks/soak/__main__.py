"""``python -m benchmarks.soak``: hundreds of versions with faults of every kind from a seed, and what holds afterwards.

The real server, run folder, nodes and encryption on the virtual clock. The network loses, repeats and delays; nodes die
at any moment, lose or spoil their disks, leave and come back as others; hospitals and the network lie; the ServerApp is
killed at any operation and finds its disk full, and is resumed from its folder each time; the consortium's key and its
committee are changed on the way. Members of the committee die between disk and reply, are away, lie, forget, and are
shown other lists. Afterwards the ledger must account for every message, the adapter must equal the replay of ledger
and version records at every node, by members' own records no update may have been opened twice, and memory must have
stayed flat.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.command import parse, parser, write_json
from benchmarks.harness.figures import counted
from benchmarks.soak.run import Soak, Soaked
from crossward.config.encryption_schemes import BFV, COMMITTEE


@contextlib.contextmanager
def aside() -> Iterator[Path]:
    """A new folder, in memory where the system has that; meanwhile nothing is logged."""
    shm, before = Path("/dev/shm"), logging.root.manager.disable  # noqa: S108 - a new folder in it
    logging.disable(logging.CRITICAL)  # hundreds of failures with their traces: who keeps them does not stay flat
    try:
        with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
            yield Path(folder)
    finally:
        logging.disable(before)


def soak(versions: int, seed: int = 0, deaths: int = 25, scheme: str = COMMITTEE) -> Soaked:
    """A soak in a folder of its own."""
    with aside() as folder:
        return Soak(versions, seed, folder, deaths, scheme=scheme).run()


def table(out: Soaked) -> str:
    """The counts for people."""
    rows = [
        f"{out.versions} versions, {out.scheme}, seed {out.seed}: {out.seconds:.0f} s, {out.virtual_hours:.1f} virtual "
        f"hours, {out.hospitals} hospitals",
        f"messages {out.messages}, replies that came {out.replies}, the server's lives {out.sessions}",
        "",
        f"faults: {sum(n for name, n in out.faults.items() if not name.startswith('  '))}",
        *counted(out.faults),
        "",
        "outcomes",
        *counted(out.outcomes),
        f"{out.duplicates:8}  of the duplicates to no task under way",
        f"{out.without_line:8}  messages sent at the moment of a kill, before their line",
        "",
        "what else the ledger reports",
        *counted(out.made),
        "",
        f"unaccounted: {out.unaccounted}",
        f"hospitals at the last version, compared with the replay: {out.arrived}; residuals added up: {out.residuals}",
        "",
        f"{'memory':12}" + "".join(f"{mark:>10}" for mark in out.memory),
    ]
    names = list(dict.fromkeys(name for held in out.memory.values() for name in held))
    for name in names:
        columns = [f"{held[name]:10.4g}" if name in held else f"{'-':>10}" for held in out.memory.values()]
        rows.append(f"{name:12}" + "".join(columns))
    held = f"{len(out.problems)} do not hold" if out.problems else "everything holds"
    return "\n".join([*rows, "", held, *(f"  {problem}" for problem in out.problems[:40])])


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 when anything does not hold."""
    p = parser("soak", __doc__, seed=True)
    p.add_argument("--versions", type=int, default=400)
    p.add_argument("--scheme", choices=(COMMITTEE, BFV), default=COMMITTEE)
    options = parse(p, argv, versions=70)
    out = soak(options.versions, options.seed, scheme=options.scheme)
    print(table(out))
    write_json(options.json, dataclasses.asdict(out))
    return 1 if out.problems else 0


if __name__ == "__main__":
    sys.exit(main())
