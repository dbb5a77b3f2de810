"""Keeps processes running: starts them, passes their output on, starts them again with growing pauses, ends them.

Not for: which processes (``crossward.deploy.aggregator``, ``crossward.deploy.hospital``); where systemd, Docker or
Kubernetes restarts things, they restart this one, which ends everything below it when it goes.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from crossward.deploy.errors import DeployError
from crossward.launcher.processes import ProcessTree
from crossward.machine.signals import handled

SHORTEST, LONGEST, SETTLED = 1.0, 30.0, 60.0  # seconds: first and longest pause; alive so long, pauses begin anew


@dataclass
class Service:
    """A process to keep: ``before`` is called before every start, ``on_line`` with every line that it prints.

    A :class:`crossward.deploy.errors.DeployError` that ``before`` raises says why it cannot be started yet.
    """

    name: str
    args: Sequence[str]
    env: Mapping[str, str]
    before: Callable[[], None] = lambda: None
    on_line: Callable[[str], None] = lambda line: None
    ended: Callable[[int], None] = lambda code: None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    starts: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    began: float = field(default=0.0, init=False)
    not_before: float = field(default=0.0, init=False)


class Keeper:
    """Keeps ``services``; later ones are started after, and ended before, earlier ones."""

    def __init__(self, services: Sequence[Service], say: Callable[[str], None], every: Callable[[], None]) -> None:
        self.services, self.say, self.every = list(services), say, every
        self.tree = ProcessTree()
        self._others = {process.pid for process in self.tree.alive()}  # of whoever made this keeper
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def stop(self, *_: object) -> None:
        """Ask :meth:`run` to end everything and return."""
        self._stopping.set()

    def run(self) -> int:
        """Keep everything until asked to stop; 0 when it ended in order."""
        with handled(self.stop):
            try:
                while not self._stopping.wait(0.2):
                    for service in self.services:
                        self._look(service)
                    self.every()
            finally:
                self._end()
        return 0

    def _look(self, service: Service) -> None:
        now = time.monotonic()
        if service.process is not None:
            if (code := service.process.poll()) is None:
                return
            service.process = None
            service.ended(code)
            service.failures = 0 if now - service.began > SETTLED else service.failures + 1
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            self.say(f"{service.name} {how}; restarting in {self._pause(service):g} s")
        if time.monotonic() >= service.not_before and not self._stopping.is_set():
            self._start(service)

    @staticmethod
    def _pause(service: Service) -> float:
        """Seconds until the next start; longer after every failure."""
        pause = min(SHORTEST * 2.0 ** min(service.failures, 10), LONGEST)
        service.not_before = time.monotonic() + pause
        return pause

    def _start(self, service: Service) -> None:
        try:
            service.before()
        except DeployError as error:
            service.failures += 1
            self.say(f"{service.name} cannot be started: {error}; retrying in {self._pause(service):g} s")
            return
        service.process = self.tree.start(
            service.args, env=dict(service.env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        service.began, service.starts = time.monotonic(), service.starts + 1
        self.say(f"{service.name} started (process {service.process.pid})")
        thread = threading.Thread(target=self._pass_on, args=(service, service.process), daemon=True)
        self._threads = [*(t for t in self._threads if t.is_alive()), thread]
        thread.start()

    def _pass_on(self, service: Service, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - for mypy
        with process.stdout:
            for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip("\n")
                try:
                    service.on_line(line)
                except Exception as error:  # an observer's error must not end the service
                    self.say(f"{service.name}: {type(error).__name__}: {error}")
                self.say(line)

    def _end(self) -> None:
        """Politely, last started first; what does not go within ten seconds is killed, with all that it left."""
        for service in reversed(self.services):
            process, service.process = service.process, None
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            service.ended(process.returncode)
        for left in self.tree.stop(keep=lambda process: process.pid in self._others):
            self.say(f"did not end: {left}")
        for thread in self._threads:
            thread.join(1.0)
