"""What Flower's long-running processes are started with: nothing installed, fetched or reported at run time.

Not for: a simulation's environment (``crossward.launcher.environment``), whose constants these are.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from crossward.launcher.environment import QUIETLY, UNLESS_SET
from crossward.machine.proxies import direct

# Flower sends an array in pieces, two at a time, gives each 30 s to be taken in, and forgets a message of which no
# piece has arrived for 180 s. With its own pieces of 5 MiB a link of 2 Mbit/s loses large updates; with 1 MiB, one of
# 0.6 Mbit/s still gets a pair through in time.
CHUNK_KIB = 1024
CHUNK_HELP = "KiB of the pieces that arrays are sent in; smaller ones for links slower than 1 Mbit/s"


def environment(home: Path, chunk: int = CHUNK_KIB, *local: str) -> dict[str, str]:
    """This process's environment with Flower's state in ``home`` and this installation's commands first.

    Arrays travel in pieces of ``chunk`` KiB. ``local`` are this machine's own addresses, called without a proxy as the
    loopback is.
    """
    pieces = {"FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE": str(chunk << 10)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return UNLESS_SET | direct(os.environ, *local) | pieces | QUIETLY | {"FLWR_HOME": str(home), "PATH": path}
