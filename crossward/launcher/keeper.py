"""``python -m crossward.launcher.keeper FOLDER COMMAND...``: ends all that a command started once stdin closes.

The launcher holds the other end of stdin, so the kernel closes it however the launcher ends, ``kill -9`` included;
the simulation and Ray would otherwise go on by themselves.

Not for: a SuperLink that is to outlive its launcher.
"""

from __future__ import annotations

import os
import select
import sys

from crossward.launcher.processes import ProcessTree


def main(folder: str, *command: str) -> int:
    """Run ``command`` in ``folder``; its exit code, or 1 when stdin was closed first and it was ended."""
    tree = ProcessTree()
    process = tree.start(command, cwd=folder)
    while process.poll() is None:
        if select.select([0], [], [], 0.5)[0] and not os.read(0, 1):
            tree.stop()
            return 1
    return process.returncode


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
