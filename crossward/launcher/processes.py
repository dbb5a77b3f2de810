"""Every process a launch has started, and an end for all of them.

Flower's and Ray's daemons start sessions of their own and some outlive their parents. On Linux the launcher adopts
orphans below it (a child subreaper), so that whatever descends from it stays in sight; elsewhere it remembers whom
it has seen.

Not for: deciding when to stop.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import psutil

from crossward.machine.proxies import direct

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def die_with_parent() -> None:
    """To be called in a child before exec: a parent that was killed outright takes it along."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class ProcessTree:
    """The descendants of this process."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, float], psutil.Process] = {}
        self._started: set[int] = set()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def start(self, args: Sequence[str], *, bound: bool = True, **options: Any) -> subprocess.Popen[bytes]:
        """Start a process that a terminal's Ctrl-C does not reach; a ``bound`` one ends with this process.

        Whatever its environment says, it calls this machine without a proxy.
        """
        options = {"stdin": subprocess.DEVNULL, "preexec_fn": die_with_parent if bound else None} | options
        options["env"] = direct(options["env"] if options.get("env") is not None else os.environ)
        process = cast(subprocess.Popen[bytes], subprocess.Popen(args, start_new_session=True, **options))
        self._started.add(process.pid)
        return process

    def alive(self) -> list[psutil.Process]:
        """Descendants that run now; zombies do not count, and adopted ones are reaped."""
        me = psutil.Process()
        for process in me.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                self._seen[process.pid, process.create_time()] = process
        self._seen = {key: process for key, process in self._seen.items() if self._runs(process)}
        return list(self._seen.values())

    def named(self, name: str) -> list[psutil.Process]:
        """Those whose command line has a word that ends in ``name``."""
        found = []
        for process in self.alive():
            with contextlib.suppress(psutil.Error):
                if any(word.rsplit("/", 1)[-1] == name for word in process.cmdline()[:3]):
                    found.append(process)
        return found

    def stop(self, keep: Callable[[psutil.Process], bool] = lambda _: False, patience: float = 3.0) -> list[str]:
        """End all but those to ``keep``, politely and then not; returns what still runs (expected: nothing)."""
        for signum, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
            deadline = time.monotonic() + wait
            asked: set[int] = set()
            while left := [p for p in self.alive() if not keep(p)]:
                self._send((p for p in left if p.pid not in asked), signum)
                asked |= {p.pid for p in left}
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
        return [str(p) for p in self.alive() if not keep(p)]

    @staticmethod
    def _send(processes: Iterable[psutil.Process], signum: int) -> None:
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signum)

    def _runs(self, process: psutil.Process) -> bool:
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                return bool(process.is_running())
            # An adopted orphan: only we can reap it. For our own Popen children this is what their poll() would do,
            # but it would lose their exit code: those are left to their owners.
            if process.ppid() == os.getpid() and process.pid not in self._started:
                os.waitpid(process.pid, os.WNOHANG)
        except (psutil.Error, ChildProcessError):
            pass
        return False
