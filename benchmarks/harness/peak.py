"""Peak memory of this process and of the ones it started, in MiB.

``getrusage`` is not enough on Linux: a process inherits the peak of the one that started it. The kernel's high-water
mark of the address space (``VmHWM``) begins anew with every program.

Not for: measuring memory over time.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import psutil


def _status(process: int, name: str) -> float:
    """A line of the kernel's status of a process, in MiB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), 0.0)


def peak_of(process: int) -> float:
    """Peak of a process so far, MiB; where the system does not keep it, what it has now; 0 when it is gone."""
    if sys.platform == "linux":
        return _status(process, "VmHWM")
    try:
        return float(psutil.Process(process).memory_info().rss / 2**20)
    except psutil.Error:
        return 0.0


def private_now(process: int) -> float:
    """What a process has now of its own, MiB, without files and memory that it shares; 0 when that is not known."""
    return _status(process, "RssAnon")


def own_peak() -> float:
    """Peak of this process so far, MiB."""
    if sys.platform == "linux":
        return peak_of(os.getpid())
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def children_peaks() -> list[float]:
    """Peaks of the processes started by this one and still alive, MiB, largest first."""
    return sorted((peak_of(child.pid) for child in psutil.Process().children(recursive=True)), reverse=True)
