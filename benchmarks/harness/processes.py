"""Fresh processes to measure in, the cores that they may use, and small Flower apps for them.

Not for: a process's memory (``benchmarks.harness.peak``).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.command import say

ROOT = Path(__file__).resolve().parents[2]
PROJECT = """[project]
name = "benchmark"
version = "0.1.0"
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "crossward"

[tool.flwr.app.components]
serverapp = "app_of_server:app"
clientapp = "app_of_nodes:app"

[tool.flwr.app.config]
"""


class ProcessError(RuntimeError):
    """A process that measures failed or took too long; the message names it."""


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Hold this process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def importable() -> str:
    """``PYTHONPATH`` under which processes elsewhere import this project."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


def fresh(
    module: str, *options: object, seconds: float, environment: Mapping[str, str] | None = None, quiet: bool = False
) -> Any:
    """What ``python -m module`` printed last, read as JSON. ``quiet`` keeps its stderr for the error message.

    Raises
    ------
    ProcessError
        it ended with another code than 0, or not within ``seconds``.
    """
    command = [sys.executable, "-m", module, *map(str, options)]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"{module} did not end within {seconds:.0f} s") from error
    if done.returncode:
        raise ProcessError(f"{module} ended with code {done.returncode}: {(done.stderr or 'see above')[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def write_app(folder: Path, server: str, nodes: str) -> Path:
    """A new Flower app in ``folder`` with the project's defaults: Python texts of its ServerApp and ClientApp."""
    from crossward.launcher.overrides import app_defaults, to_toml

    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT + to_toml(app_defaults(ROOT)), "utf-8")
    (folder / "app_of_server.py").write_text(server, "utf-8")
    (folder / "app_of_nodes.py").write_text(nodes, "utf-8")
    return folder


def run_app(app: Path, runs: Path, settings: str, *, nodes: int, cpus: int) -> Path:
    """The run folder, below ``runs``, of a real run of ``app`` with ``settings``; without an evaluation.

    Raises
    ------
    ProcessError
        the run failed.
    """
    from crossward.launcher.launch import Launch
    from crossward.launcher.options import Options

    os.environ["PYTHONPATH"] = importable()
    launch = Launch(Options(app, runs, (settings,), num_supernodes=nodes, cpus=cpus, evaluate=False), say)
    try:
        code = launch.run()
    finally:
        launch.close()
    if code:
        raise ProcessError(f"the run of {app} ended with code {code}")
    return launch.folder
