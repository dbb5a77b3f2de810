"""Flower's SuperExec, changed so that the processes of ClientApps are forked from one that has Flower imported.

Flower starts an interpreter for every message and imports itself anew, which takes it most of a second of a core: more
than all that a committee member does for a version. Here one process imports Flower, and nothing of the app, and forks
a process for each message. That imports the app which the run submitted, as before.

Not for: a SuperNode's loop (``crossward.internals.flower_supernode``).
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from crossward.internals.flower import FLOWER

CLIENTAPP = "flwr-clientapp"
_EXECUTOR = "flwr.supercore.superexec.executor.subprocess_executor"
_OURS = "crossward"


class PopenBy:
    """The module ``subprocess`` as one of Flower's modules is to see it: ``start`` is its ``Popen``."""

    def __init__(self, start: Callable[..., Any]) -> None:
        self.Popen = start

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)


class _Forks:
    """Has ClientApps forked by the process that ``command`` starts; all else is started as ever."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._parent = self._prepare()

    def start(self, args: Sequence[str], **options: Any) -> None:
        """What Flower's executor calls, which does not look at the result."""
        if args[0] == CLIENTAPP and not options:
            if self._parent.poll() is not None:
                self._parent.stdin.close()
                self._parent = self._prepare()
            try:
                self._parent.stdin.write(json.dumps(args[1:]).encode() + b"\n")
                return
            except OSError:  # it has just ended: the next message gets another
                pass
        subprocess.Popen(args, **options)

    def _prepare(self) -> Any:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, bufsize=0)


def superexec_command(clientapps: Sequence[str]) -> Callable[[], None]:
    """The function behind the command ``flower-superexec``; ``clientapps`` starts what calls :func:`fork_for_each`.

    Raises
    ------
    InternalsError
        Flower's SuperExec is made of other parts.
    """
    executor = FLOWER.require(_EXECUTOR)
    FLOWER.require(f"{_EXECUTOR}:subprocess.Popen")
    FLOWER.require_text("flwr/supercore/superexec/executor/subprocess_executor.py", "subprocess.Popen(args)")
    FLOWER.require_text("flwr/supercore/constant.py", f'"{CLIENTAPP}"')
    command: Callable[[], None] = FLOWER.require("flwr.supercore.cli:flower_superexec")
    executor.subprocess = PopenBy(_Forks(clientapps).start)
    return command


def fork_for_each(requests: Iterable[bytes]) -> list[str] | None:
    """Fork a process for each of ``requests``, lines of :func:`superexec_command`'s process, until they end.

    Returns the arguments of a ClientApp in such a process, and None in this one. Nothing of this package is imported
    in the former: the app may be of another release.
    """
    gc.freeze()  # or a collection would copy the pages that the processes share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    for line in requests:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for name in [name for name in sys.modules if name.partition(".")[0] == _OURS]:
                del sys.modules[name]
            return list(json.loads(line))
    return None
