"""What a module leaves behind for the next one is found, and named."""

from __future__ import annotations

import ast
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.leftovers import differences, process_state, running, still_running

ROOT = Path(__file__).parents[1]
KINDS = ("handler of SIGUSR1", "umask", "socket timeout", "numpy's errors", "logger crossward", "torch's default type")
KINDS += ("variable CROSSWARD_LEFT", "working directory", "import path")
IMPORTS = """
import flwr.common.logger  # which every process of the suite has
from tests.leftovers import differences, process_state, running, still_running
before, begun = process_state(), running()
import os, sys
import flwr.simulation.app, flwr.supercore.task_process.connector.browser_use, ray
assert sys.excepthook.__module__ == "ray._private.worker" and "RAY_CLIENT_MODE" in os.environ
assert "RAY_ENABLE_UV_RUN_RUNTIME_ENV" in os.environ and "BROWSER_USE_SETUP_LOGGING" in os.environ
print(differences(before, process_state()) + still_running(begun))
sys.excepthook = print
os.environ["RAY_CLIENT_MODE"], os.environ["RAY_ADDRESS"] = "1", "here"
sys.path.insert(0, "/left")
print([found.split(":")[0] for found in differences(before, process_state())])
"""


@contextmanager
def left(kind: str, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process as a careless module leaves it, and as it was afterwards."""
    handler, timeout, errors = signal.getsignal(signal.SIGUSR1), socket.getdefaulttimeout(), np.geterr()
    logger, stray, kept = logging.getLogger("crossward"), logging.NullHandler(), torch.get_default_dtype()
    umask = os.umask(0)
    os.umask(umask)
    match kind:
        case "handler of SIGUSR1":
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        case "umask":
            os.umask(umask ^ 0o7)
        case "socket timeout":
            socket.setdefaulttimeout(9.0)
        case "numpy's errors":
            np.seterr(all="raise")
        case "logger crossward":
            logger.addHandler(stray)
        case "torch's default type":
            torch.set_default_dtype(torch.float64)
        case "variable CROSSWARD_LEFT":
            patch.setenv("CROSSWARD_LEFT", "here")
        case "working directory":
            patch.chdir("/")
        case "import path":
            patch.syspath_prepend("/left")
    yield
    patch.undo()
    signal.signal(signal.SIGUSR1, handler)
    os.umask(umask)
    socket.setdefaulttimeout(timeout)
    np.seterr(**errors)
    logger.removeHandler(stray)
    torch.set_default_dtype(kept)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_named_and_gone_when_it_is_put_right(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = process_state()
    assert differences(before, process_state()) == []
    with left(kind, monkeypatch):
        (found,) = differences(before, process_state())
        assert found.startswith(f"{kind}: was ")
    assert differences(before, process_state()) == []


def test_a_first_import_of_a_library_leaves_nothing_that_counts_and_hides_nothing_that_does() -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "BROWSER_USE_"))}
    command = [sys.executable, "-c", IMPORTS]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True, timeout=300)
    imported, left_behind = map(ast.literal_eval, done.stdout.splitlines())
    assert imported == []
    assert left_behind == ["exception hooks", "import path", "variable RAY_ADDRESS", "variable RAY_CLIENT_MODE"]


def test_a_thread_and_a_process_that_run_on_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.leftovers.PATIENCE", 0.0)
    before, end = running(), threading.Event()
    thread = threading.Thread(target=end.wait, name="left-behind")
    thread.start()
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = "\n".join(still_running(before))
        assert "left-behind" in found and f"pid={child.pid}" in found
        child.kill()
    end.set()
    thread.join()
    assert still_running(before) == []
