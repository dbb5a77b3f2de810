"""Flower's own commands, run for one launch: a SuperLink, ``flwr run``, ``ls``, ``log`` and ``stop``.

The SuperLink is started here exactly as ``flwr run`` would start it, on the port where ``flwr run`` looks for it: so
its death is seen, its output is kept, and it ends with the launch.

Not for: following a run (`launcher.watch`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launcher.environment import command, environment, free_ports
from launcher.errors import LauncherError
from launcher.processes import ProcessTree

CONNECTION = "local"
_CALL_LIMIT_S = 120.0


class Flower:
    """One isolated local SuperLink and the commands that talk to it."""

    def __init__(self, home: Path, base: Mapping[str, str], tree: ProcessTree, *, offline: bool, bound: bool) -> None:
        self.home, self.log = home, home / "superlink.log"
        self._base, self._tree, self._offline, self._bound = dict(base), tree, offline, bound
        self.env: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self, patience_s: float = 90.0) -> None:
        """Start the SuperLink and wait until it answers; another port is tried when one was taken meanwhile."""
        for _ in range(3):
            port, control = free_ports(2)
            self.env = environment(self._base, self.home, port, control, offline=self._offline)
            if self._start_on(port, patience_s):
                return
        raise LauncherError(f"the SuperLink ended while starting; its last words:\n{tail(self.log, 15)}")

    def _start_on(self, port: int, patience_s: float) -> bool:
        args = [command("flower-superlink", self.home), "--insecure", "--simulation", "--isolation", "subprocess"]
        args += ["--host", "127.0.0.1", "--port", str(port), "--disable-runtime-dependency-installation"]
        # Ray puts the working directory first on its workers' path: a data.py lying there would stand in for the app's
        # own packages. So it is an empty folder.
        empty = self.home / "empty"
        empty.mkdir(exist_ok=True)
        if self._bound:
            args = [sys.executable, "-m", "launcher.keeper", str(empty), *args]
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
                    f"the SuperLink does not answer after {patience_s:.0f} s; its last words:\n{tail(self.log, 15)}"
                )
        return False

    def run(self, app: Path, run_config: Path, federation: str) -> str:
        """Submit a run of ``app``; returns its id."""
        args = ["run", str(app), CONNECTION, "--run-config", str(run_config), "--federation-config", federation]
        return str(self._call(*args)["run-id"])

    def status(self, run_id: str) -> tuple[str, str]:
        """(status, details), for example ("finished:failed", "Simulation failed with exception: ...")."""
        run = self._call("ls", CONNECTION, "--run-id", run_id)["runs"][0]
        return str(run["status"]), str(run["status-details"])

    def stop_run(self, run_id: str) -> None:
        self._call("stop", run_id, CONNECTION, limit_s=15.0)

    def stream_log(self, run_id: str) -> subprocess.Popen[bytes]:
        """A process that prints the run's log from its beginning and ends when the run has ended."""
        args = [command("flwr", self.home), "log", run_id, CONNECTION, "--stream"]
        return self._tree.start(args, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def _call(self, *args: str, limit_s: float = _CALL_LIMIT_S) -> dict[str, Any]:
        if not self.alive:
            raise LauncherError("the SuperLink has ended")
        process = self._tree.start(
            [command("flwr", self.home), *args, "--format", "json"],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            raise LauncherError(f"`flwr {args[0]}` gave no answer in {limit_s:.0f} s") from error
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        # Flower exits with 0 even when it refuses: only "success" tells.
        try:
            answer: dict[str, Any] = json.loads(out)
        except ValueError as error:
            text = (out + err).decode(errors="replace").strip()
            raise LauncherError(f"`flwr {args[0]}` failed (exit code {process.returncode}): {text}") from error
        if not answer.get("success"):
            raise LauncherError(f"`flwr {args[0]}` was refused: {reason(str(answer.get('error-message', answer)))}")
        return answer


def reason(message: str) -> str:
    """Flower's error message without its greetings and blank lines."""
    greetings = ("Flower configuration not found", "Using SuperLink:")
    return "\n".join(line for line in message.splitlines() if line.strip() and not line.startswith(greetings))


def tail(file: Path, count: int) -> str:
    """The last lines of a log without the web server's access lines."""
    try:
        lines = file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log was written)"
    return "\n".join([line for line in lines if "[uvicorn.access]" not in line][-count:])
