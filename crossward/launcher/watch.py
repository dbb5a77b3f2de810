"""Following one run to its end: its log line by line, its true status, and signs that nobody works on it any more.

Flower marks a run whose process was killed only when its heartbeats have been missing for a minute or more, and says
nothing at all when the SuperLink itself has died; both are noticed here within seconds.

Not for: judging whether a completed run left what it should (`crossward.launcher.launch`).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from crossward.launcher.control import Control
from crossward.launcher.environment import SIMULATION
from crossward.launcher.errors import LauncherError
from crossward.launcher.lines import Screen, plain
from crossward.launcher.processes import ProcessTree
from crossward.machine.waiting import Reminder

COMPLETED = "finished:completed"
_WAITS = re.compile(r"Waiting for \d+ s: (.+)")  # what a ServerApp says while nothing happens


@dataclass(frozen=True)
class Ending:
    """How a run ended: Flower's status, or "stalled" when nobody works on it; ``details`` in words."""

    status: str
    details: str

    @property
    def completed(self) -> bool:
        """Whether the run ended as it should."""
        return self.status == COMPLETED


class LogReader(threading.Thread):
    """Copies a run's log into a file and shows what is meant for people, from line ``skip`` on."""

    def __init__(self, flower: Control, run_id: str, file: IO[str], screen: Screen, skip: int = 0) -> None:
        super().__init__(name="run-log", daemon=True)
        self._file, self._screen, self.skip = file, screen, skip
        self.lines = 0
        self.waits_for = ""  # by the ServerApp's own word, until a line for people comes
        self.ended = threading.Event()
        self.last_news = time.monotonic()
        self._process = flower.stream_log(run_id)
        self.start()

    def run(self) -> None:
        """Copy lines until the log ends."""
        stream = self._process.stdout
        assert stream is not None  # noqa: S101 - for mypy
        for raw in stream:
            self.lines += 1
            if self.lines > self.skip:
                line = plain(raw.decode(errors="replace"))
                self._file.write(line + "\n")
                self._file.flush()
                if self._screen.show(line):
                    self.last_news, self.waits_for = time.monotonic(), ""
                if waits := _WAITS.search(line):
                    self.waits_for = waits[1]
        self._process.wait()
        stream.close()
        self.ended.set()

    def close(self) -> None:
        """Stop following the log; waits up to 5 s for the thread."""
        if self._process.poll() is None:
            self._process.kill()
        self.join(5.0)


class Watch:
    """Watches the run ``run_id``; `follow` returns when it has ended, one way or another.

    ``worker`` names the process that runs the ServerApp, if it is below this one; empty when it is not.
    """

    def __init__(
        self,
        flower: Control,
        tree: ProcessTree,
        run_id: str,
        log: Path,
        screen: Screen,
        note: Callable[[str], None],
        *,
        worker: str = SIMULATION,
        look_every_s: float = 1.0,
        status_every_s: float = 30.0,
        drain_s: float = 5.0,
        grace_s: float = 5.0,
        start_limit_s: float = 120.0,
        silence_s: float = 15.0,
    ) -> None:
        self._flower, self._tree, self._run_id, self._log, self._note = flower, tree, run_id, log, note
        self._screen, self._look_every_s, self._drain_s = screen, look_every_s, drain_s
        self._status_every_s, self._grace_s, self._silence_s = status_every_s, grace_s, silence_s
        self._worker, self._worker_seen = worker, False
        self._gone_since: float | None = None
        self._started_by = time.monotonic() + start_limit_s

    def follow(self) -> Ending:
        """Wait until the run has ended, reporting on the way how long nothing has happened."""
        with self._log.open("a", encoding="utf-8") as file:
            reader = self._read(file)
            try:
                now = time.monotonic()
                asked, next_look, reminder = now - 1.0, now, Reminder(now, self._silence_s)
                while True:
                    reader.ended.wait(0.2)
                    now = time.monotonic()
                    if not self._flower.alive:
                        return Ending("stalled", "the SuperLink exited during the run")
                    if now >= next_look:
                        next_look = now + self._look_every_s
                        self._look(now)
                    # The log's end or the worker's hint that the run has ended; only the status counts.
                    hint = reader.ended.is_set() or self._gone_since is not None
                    if now - asked >= (1.0 if hint else self._status_every_s):
                        asked = now
                        ending = self._status()
                        if ending.status.startswith("finished"):
                            reader.ended.wait(self._drain_s)
                            return ending
                        if (stalled := self._stalled(now)) is not None:
                            return stalled
                        if reader.ended.is_set():
                            reader = self._read(file, max(reader.skip, reader.lines))
                    if reader.last_news > reminder.began:
                        reminder.reset(reader.last_news)
                    if reminder.due(now):
                        what = reader.waits_for or self._doing()
                        self._note(f"no output from the run for {reminder.waited(now):.0f} s: {what}")
            finally:
                reader.close()

    def _read(self, file: IO[str], skip: int = 0) -> LogReader:
        return LogReader(self._flower, self._run_id, file, self._screen, skip)

    def _status(self) -> Ending:
        try:
            return Ending(*self._flower.status(self._run_id))
        except LauncherError as error:
            return Ending("unknown", str(error))

    def _look(self, now: float) -> None:
        """Note when the process that runs the ServerApp exited."""
        if not self._worker:
            return
        if self._tree.named(self._worker):
            self._worker_seen, self._gone_since = True, None
        elif self._worker_seen or now > self._started_by:
            self._gone_since = self._gone_since or now

    def _doing(self) -> str:
        """What the run is waited for."""
        if self._worker and not self._worker_seen:
            return "waiting for Flower to start its ServerApp"
        return f"waiting for its next line; the full log is {self._log}"

    def _stalled(self, now: float) -> Ending | None:
        """A worker that exited longer ago than a normal ending takes."""
        if self._gone_since is None or now - self._gone_since < self._grace_s:
            return None
        if not self._worker_seen:
            return Ending("stalled", f"no {self._worker} process was ever started")
        return Ending("stalled", f"the process that ran the ServerApp ({self._worker}) was killed or crashed")
