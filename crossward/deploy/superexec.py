"""``python -m crossward.deploy.superexec``: Flower's SuperExec for a SuperNode, whose ClientApps are forked.

With the argument ``clientapps`` it is the process that forks them. How Flower is changed for that is in
``crossward.internals``; where it differs from what that was written for, neither starts and both say why.

Not for: anything else; all options are Flower's own.
"""

from __future__ import annotations

import sys

from crossward.internals.check import InternalsError
from crossward.internals.flower import clientapp_command
from crossward.internals.flower_superexec import CLIENTAPP, fork_for_each, superexec_command

COMMAND = [sys.executable, "-m", "crossward.deploy.superexec"]
CLIENTAPPS = "clientapps"


def main() -> None:
    """Start the SuperExec, or what forks for it."""
    forking = sys.argv[1:] == [CLIENTAPPS]
    try:
        command = clientapp_command() if forking else superexec_command([*COMMAND, CLIENTAPPS])
    except InternalsError as error:
        raise SystemExit(f"the SuperExec cannot be started: {error}") from error
    if not forking:
        sys.argv[0] = "flower-superexec"
        command()
    elif (args := fork_for_each(sys.stdin.buffer)) is not None:
        sys.argv[:] = [CLIENTAPP, *args]
        command()


if __name__ == "__main__":
    main()
