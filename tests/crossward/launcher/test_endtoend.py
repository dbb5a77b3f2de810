"""Real launches of a tiny Flower app, at once: exit codes tell the truth, nothing disturbs anything, nothing stays.

Two launchers run side by side, so this is also the test that they do not share a port, a home or a Ray cluster. One
whose run finishes is ``tests/test_run_endtoend.py``; what follows from a run that failed is in ``test_launch`` and
``test_watch``, and with a real one in ``make test-deployment``.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.processes import behind_a_dead_proxy, below, kill, runs

ROOT = Path(__file__).resolve().parents[3]

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "toy"
version = "0.1.0"
description = "A run that ends as it is told to."
license = "Apache-2.0"
[tool.flwr.app]
publisher = "crossward"
[tool.flwr.app.components]
serverapp = "toy.apps:server"
clientapp = "toy.apps:client"
[tool.flwr.app.config]
run.folder = ""
run.behaviour = ""
"""
APPS = """
import time
from pathlib import Path
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

client = ClientApp()
server = ServerApp()

@server.main()
def main(grid, context):
    folder = Path(context.run_config["run.folder"])
    folder.mkdir(parents=True, exist_ok=True)
    print("toy: up", flush=True)
    behaviour = context.run_config["run.behaviour"]
    if behaviour == "raise":
        raise ValueError("toy: on purpose")
    while behaviour == "wait":
        time.sleep(0.1)
"""


class Launcher:
    """One launcher process; what it prints goes to a file."""

    def __init__(self, app: Path, behaviour: str, folder: Path, home: Path) -> None:
        folder.mkdir()
        (folder / "toy.py").write_text("raise SystemExit('a file in the working directory stood in for the app')")
        self.runs, self.output = folder / "the runs", folder / "output"
        args = [sys.executable, "-m", "crossward", "run", "--app", str(app), "--runs-dir", str(self.runs)]
        args += ["--num-supernodes", "1", "--run-config", f"run.behaviour={behaviour}"]
        # Ray's workers give way to everything else unless told not to, and so to the tests of the other process.
        env = behind_a_dead_proxy() | {"PYTHONPATH": str(ROOT), "TMPDIR": str(home), "RAY_worker_niceness": "0"}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(args, cwd=folder, env=env, stdout=output, stderr=output)

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def until_up(self, limit_s: float = 240) -> None:
        deadline = time.monotonic() + limit_s
        while "toy: up" not in self.text():
            assert self.process.poll() is None and time.monotonic() < deadline, self.text()
            time.sleep(0.1)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder short enough for Ray's sockets, so that what launches leave behind can be seen."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The tiny app's folder."""
    folder = tmp_path / "an app"
    (folder / "toy").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "toy" / "__init__.py").touch()
    (folder / "toy" / "apps.py").write_text(APPS)
    return folder


@pytest.mark.endtoend
@pytest.mark.timeout(900)  # the limits below are shorter, and say more
def test_launches_side_by_side_end_truthfully_and_leave_nothing_behind(app: Path, tmp_path: Path, home: Path) -> None:
    stopped = Launcher(app, "wait", tmp_path / "stopped", home)
    crashed = Launcher(app, "wait", tmp_path / "crashed", home)
    everyone = (stopped, crashed)
    started: set[psutil.Process] = set()
    try:
        crashed.until_up()
        stopped.until_up()
        started.update(*(below(one.process.pid) for one in everyone if one.process.poll() is None))
        for worker in below(crashed.process.pid, "flwr-simulation"):
            kill(worker)
        stopped.process.send_signal(signal.SIGINT)
        codes = [one.process.wait(240) for one in everyone]
    finally:
        for one in everyone:
            one.process.kill()
            one.process.wait()
    texts = "\n".join(one.text() for one in everyone)

    assert codes == [128 + signal.SIGINT, 1], texts
    assert "was killed or crashed" in crashed.text() and "full log: " in crashed.text()
    assert "stopping (SIGINT)" in stopped.text() and "Traceback" not in stopped.text()
    assert "Flower" not in stopped.text()
    assert len(started) >= 8 and not [p for p in started if runs(p)]
    assert not list(home.iterdir())


@pytest.mark.deployment
def test_a_run_whose_server_raises_ends_with_its_error(app: Path, tmp_path: Path, home: Path) -> None:
    raising = Launcher(app, "raise", tmp_path / "raising", home)
    assert raising.process.wait(240) == 1
    assert "ValueError: toy: on purpose" in raising.text() and "finished:failed" in raising.text()
    assert not list(home.iterdir())
