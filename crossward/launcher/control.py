"""Flower's command line as a program uses it: ``flwr run``, ``ls``, ``log``, ``stop`` and more, answers read as JSON.

Not for: starting a SuperLink (`crossward.launcher.flower`, ``crossward.deploy.aggregator``) or following a run
(`crossward.launcher.watch`).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossward.internals.flower import GREETINGS
from crossward.launcher.environment import command
from crossward.launcher.errors import LauncherError
from crossward.launcher.processes import ProcessTree

_CALL_LIMIT_S = 120.0


class Control:
    """Commands to the SuperLink that is called ``connection`` in ``home``'s Flower configuration, under ``env``."""

    def __init__(self, home: Path, env: Mapping[str, str], tree: ProcessTree, connection: str) -> None:
        self.home, self.env, self.connection, self._tree = home, dict(env), connection, tree

    @property
    def alive(self) -> bool:
        """Whether there is any use in asking."""
        return True

    def run(self, app: Path, run_config: Path, federation: str = "") -> str:
        """Submit a run of ``app``; returns its id. ``federation`` is a simulation's federation config."""
        args = ["run", str(app), self.connection, "--run-config", str(run_config)]
        return str(self.call(*args, *(["--federation-config", federation] if federation else []))["run-id"])

    def status(self, run_id: str) -> tuple[str, str]:
        """(status, details), for example ("finished:failed", "Simulation failed with exception: ...")."""
        run = self.call("ls", self.connection, "--run-id", run_id)["runs"][0]
        return str(run["status"]), str(run["status-details"])

    def stop_run(self, run_id: str) -> None:
        """Have the SuperLink stop a run."""
        self.call("stop", run_id, self.connection, limit_s=15.0)

    def stream_log(self, run_id: str) -> subprocess.Popen[bytes]:
        """A process that prints the run's log from its beginning and ends when the run has ended."""
        args = [command("flwr", self.home), "log", run_id, self.connection, "--stream"]
        return self._tree.start(args, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def call(self, *args: str, limit_s: float = _CALL_LIMIT_S) -> dict[str, Any]:
        """What ``flwr`` answers to ``args``; LauncherError if it refuses, fails, or takes over ``limit_s`` seconds."""
        if not self.alive:
            raise LauncherError("the SuperLink has exited")
        process = self._tree.start(
            [command("flwr", self.home), *args, "--format", "json"],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            raise LauncherError(f"`flwr {args[0]}` did not answer within {limit_s:.0f} s") from error
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        # Flower exits with 0 even when it refuses: only "success" is reliable.
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
    return "\n".join(line for line in message.splitlines() if line.strip() and not line.startswith(GREETINGS))
