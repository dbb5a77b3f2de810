"""How much memory this machine has left. Not for: what a process holds (``client_app.training.meter``)."""

from __future__ import annotations

from pathlib import Path

import psutil

_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


def available() -> int:
    """Bytes that programs can still take without swapping, of the machine or of the container that this one is in."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = int(_LIMIT.read_text()) - int(_USED.read_text())
    except (OSError, ValueError):  # no control groups, or no limit: "max"
        return free
    return max(0, min(free, limit))
