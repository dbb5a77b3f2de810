"""A separate SuperLink for one launch.

The SuperLink is started here exactly as ``flwr run`` would start it, on the port where ``flwr run`` looks for it: so
its death is seen, its output is kept, and it ends with the launch.

Not for: talking to it (`crossward.launcher.control`) or following a run (`crossward.launcher.watch`).
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from crossward.launcher.control import Control
from crossward.launcher.environment import command, environment
from crossward.launcher.errors import LauncherError
from crossward.launcher.processes import ProcessTree
from crossward.machine.ports import free_ports, trouble

CONNECTION = "local"


class Flower(Control):
    """One isolated local SuperLink and the commands that talk to it."""

    def __init__(self, home: Path, base: Mapping[str, str], tree: ProcessTree, *, offline: bool, bound: bool) -> None:
        super().__init__(home, {}, tree, CONNECTION)
        self.log = home / "superlink.log"
        self._base, self._offline, self._bound = dict(base), offline, bound
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the SuperLink's process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The SuperLink's process id; 0 before it is started."""
        return self._process.pid if self._process else 0

    def start(self, patience_s: float = 90.0) -> None:
        """Start the SuperLink and wait until it answers; another port is tried when one was taken meanwhile.

        Raises
        ------
        LauncherError
            it does not start, or does not answer within ``patience_s``.
        """
        why = ""
        for _ in range(3):
            port, control = free_ports(2)
            if why := trouble("127.0.0.1", port) or trouble("127.0.0.1", control):
                continue
            self.env = environment(self._base, self.home, port, control, offline=self._offline)
            if self._start_on(port, patience_s):
                return
        if why:
            raise LauncherError(
                f"no port for the launch's own SuperLink: {why}. Each launch picks ports that are free at that moment: "
                "start it again"
            )
        raise LauncherError(f"the SuperLink ended while starting; its last lines:\n{tail(self.log, 15)}")

    def _start_on(self, port: int, patience_s: float) -> bool:
        args = [command("flower-superlink", self.home), "--insecure", "--simulation", "--isolation", "subprocess"]
        args += ["--host", "127.0.0.1", "--port", str(port), "--disable-runtime-dependency-installation"]
        # Ray puts the working directory first on its workers' path: a data.py lying there would stand in for the app's
        # own packages. So it is an empty folder.
        empty = self.home / "empty"
        empty.mkdir(exist_ok=True)
        if self._bound:
            args = [sys.executable, "-m", "crossward.launcher.keeper", str(empty), *args]
        stdin = subprocess.PIPE if self._bound else subprocess.DEVNULL
        with self.log.open("ab") as log:
            cwd = None if self._bound else empty
            self._process = self._tree.start(
                args, bound=False, env=self.env, stdin=stdin, stdout=log, stderr=log, cwd=cwd
            )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + patience_s
        while self.alive:
            try:
                with direct.open(f"http://127.0.0.1:{port}/health", timeout=1):
                    return self.alive
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
            if time.monotonic() > deadline:
                raise LauncherError(
                    f"the SuperLink does not answer after {patience_s:.0f} s; its last lines:\n{tail(self.log, 15)}"
                )
        return False


def tail(file: Path, count: int) -> str:
    """The last lines of a log without the web server's access lines."""
    try:
        lines = file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log was written)"
    return "\n".join([line for line in lines if "[uvicorn.access]" not in line][-count:])
