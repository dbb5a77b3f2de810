"""``python -m crossward.deploy.supernode``: Flower's SuperNode, except that it answers short messages while it trains.

A version is opened by short messages to committee members, and a member may be training for minutes or hours. How
Flower is changed for that is in ``crossward.internals``; where it differs from what that was written for, the SuperNode
does not start and says why.

Not for: anything else; all options are Flower's own.
"""

from __future__ import annotations

import sys

from crossward.deploy.superexec import COMMAND
from crossward.internals.check import InternalsError
from crossward.internals.flower_supernode import supernode_command
from crossward.protocol.messages import KINDS

BESIDE = frozenset(name for name, kind in KINDS.items() if kind.beside)


def main() -> None:
    """Start the SuperNode."""
    try:
        flower_supernode = supernode_command(BESIDE, COMMAND)
    except InternalsError as error:
        raise SystemExit(f"the SuperNode cannot be started: {error}") from error
    sys.argv[0] = "flower-supernode"
    flower_supernode()


if __name__ == "__main__":
    main()
