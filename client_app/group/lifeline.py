"""A process that must not outlive the one that started it, however that one ends.

Not for: processes that are to be resident.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int = 0) -> None:
    """Let the kernel kill this process when its parent's thread ends (Linux; elsewhere nothing).

    ``parent`` is the process that started it, if known: it may have exited before this one asks.
    """
    if sys.platform != "linux":
        return
    parent = parent or os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it exited before the kernel was asked
        os._exit(1)
