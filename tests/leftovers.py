"""What a test module may leave behind in its process, and did: handlers, environment, folder, threads, children.

A handler that one module leaves makes another hang hours later, in another order, on another machine.
Not for: files, which have folders of their own, nor for what pytest itself watches, such as warnings.
"""

from __future__ import annotations

import locale
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tests.processes import cmdline, runs

PYTEST, PYTEST_TIMEOUT = "PYTEST_CURRENT_TEST", signal.SIGALRM
LOGGERS = ("", "flwr", "crossward", "asyncio")
LIBRARIES = ("TORCH", "TRITON_", "KMP_")  # what they set when they are first imported
# Likewise, and with these values alone: whichever module is the first to import the library, they stay, as it does.
FIRST_IMPORT = {
    ("RAY_CLIENT_MODE", "0"),  # ray: its client's mode has been read
    ("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0"),  # flwr.simulation: ray does not start its workers by uv
    ("BROWSER_USE_SETUP_LOGGING", "false"),  # flwr's task process: browser-use leaves loggers alone
}
RAY_WORKER, RAY_LIBRARIES = "ray._private.worker", "/ray/thirdparty_files"
HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")  # which stay as long as their process
PATIENCE = 60.0  # seconds for threads and processes that are ending to have ended


def process_state() -> dict[str, Any]:
    """What modules share in a process, by name; equal before and after a module that keeps to itself."""
    found: dict[str, Any] = {
        "working directory": Path.cwd(),
        "umask": _umask(),
        "socket timeout": socket.getdefaulttimeout(),
        "locale": locale.setlocale(locale.LC_ALL),
        "time zone": time.tzname,
        "recursion limit": sys.getrecursionlimit(),
        "exception hooks": (_excepthook(), threading.excepthook, sys.unraisablehook),
        "import path": tuple(place for place in sys.path if not place.endswith(RAY_LIBRARIES)),
        "arguments": tuple(sys.argv),
        "numpy's errors": tuple(np.geterr().items()),
        "logging disabled": logging.root.manager.disable,
    }
    found |= {f"handler of {one.name}": signal.getsignal(one) for one in signal.Signals if one != PYTEST_TIMEOUT}
    found |= {f"variable {name}": value for name, value in os.environ.items() if _of_ours(name, value)}
    for name in LOGGERS:
        logger = logging.getLogger(name)
        found[f"logger {name or 'root'}"] = (logger.level, logger.propagate, logger.disabled, tuple(logger.handlers))
    return found | _torch()


def _of_ours(name: str, value: str) -> bool:
    """Whether a variable is not one of pytest's or of those that libraries set when they are first imported."""
    return name != PYTEST and not name.startswith(LIBRARIES) and (name, value) not in FIRST_IMPORT


def _excepthook() -> Any:
    """The hook for exceptions; of ray's, which its first import sets, the one that it calls in turn."""
    ray = sys.modules.get(RAY_WORKER)
    return ray.normal_excepthook if ray and sys.excepthook is ray.custom_excepthook else sys.excepthook


def _umask() -> int:
    now = os.umask(0o77)
    os.umask(now)
    return now


def _torch() -> dict[str, Any]:
    """Nothing before it is imported: it begins as it finds its environment."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "torch's threads": torch.get_num_threads(),
        "torch's default type": torch.get_default_dtype(),
        "torch's gradients": torch.is_grad_enabled(),
        "torch's determinism": torch.are_deterministic_algorithms_enabled(),
    }


def running() -> set[Any]:
    """Threads that keep the process from ending, and processes below it."""
    threads = {one for one in threading.enumerate() if not one.daemon and one is not threading.main_thread()}
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # quicker than to look at all processes there are
    except ChildProcessError:
        return threads
    children = {child for child in psutil.Process().children() if runs(child)}
    helpers = {child for child in children if any(name in word for word in cmdline(child) for name in HELPERS)}
    return threads | children - helpers


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """One line for each thing that is another one than before."""
    names = {name for name in {**before, **after} if name.startswith("variable ")} | (before.keys() & after.keys())
    was, now = ({name: found.get(name, "nothing") for name in sorted(names)} for found in (before, after))
    return [f"{name}: was {was[name]!r}, is {now[name]!r}" for name in was if was[name] != now[name]]


def still_running(before: set[Any]) -> list[str]:
    """One line for each thread or process that a module began and that does not end by itself."""
    deadline = time.monotonic() + PATIENCE
    while (left := running() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    return sorted(f"runs on: {one!r}" for one in left)
