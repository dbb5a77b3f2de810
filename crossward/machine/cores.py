"""How many cores this process may use. Not for: sharing them among clients (``client_app.training.threads``)."""

from __future__ import annotations

import os


def cores() -> int:
    """Cores this process may use, where the system says; else the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
