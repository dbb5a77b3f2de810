"""Looking at processes that may end while they are looked at: a test that expects their end must not fall over it.

Also an environment to start them in. Not for: starting or awaiting them.
"""

from __future__ import annotations

import contextlib
import os

import psutil


def behind_a_dead_proxy() -> dict[str, str]:
    """This environment with proxies that nobody answers at, and without exceptions from them."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")
    kept = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    return kept | dict.fromkeys(names, "http://127.0.0.1:9")


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
