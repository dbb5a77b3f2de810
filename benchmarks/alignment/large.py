"""``python -m benchmarks.alignment.large --size 1000000``: one large alignment and its peak memory, in a fresh process.

The peak is of one process that plays every party in turn; what a party holds in memory is gone when the next begins.
Prints JSON last.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.alignment.ours import alignment
from benchmarks.harness.command import say
from benchmarks.harness.peak import own_peak


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.alignment.large", description=__doc__)
    p.add_argument("--size", type=int, default=1_000_000, help="identifiers of each party")
    p.add_argument("--parties", type=int, default=2, choices=(2, 3, 4))
    p.add_argument("--threads", type=int, default=0, help="0: one a core (default)")
    args = p.parse_args(argv)
    before = own_peak()
    with tempfile.TemporaryDirectory() as folder:
        size, parties = args.size, args.parties
        found = alignment(Path(folder), size, size // 2, parties=parties, threads=args.threads, say=say)
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    found |= {"size": size, "parties": parties, "peak_mib": own_peak(), "before_mib": before, "disk_mib": disk / 2**20}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
