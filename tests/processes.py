"""Looking at processes that may end while they are looked at: a test that expects their end must not fall over it.

Not for: starting or awaiting them.
"""

from __future__ import annotations

import contextlib

import psutil


def runs(process: psutil.Process) -> bool:
    """Whether it still does anything; a zombie, whose parent has not asked for its exit code yet, does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def cmdline(process: psutil.Process) -> list[str]:
    """Its command line; of one that has ended, nothing."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def below(pid: int, word: str = "") -> list[psutil.Process]:
    """All that descend from a process and run now, ``word`` being in the first two words of their command line."""
    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [p for p in found if any(word in part for part in cmdline(p)[:2])]


def kill(process: psutil.Process) -> None:
    """End it, unless it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
