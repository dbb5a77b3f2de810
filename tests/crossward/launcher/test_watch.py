"""Following a run: the status decides, and a run that nobody works on is told, with a fake Flower."""

from __future__ import annotations

import io
import subprocess
import threading
from pathlib import Path
from typing import cast

import pytest

from crossward.launcher.errors import LauncherError
from crossward.launcher.flower import Flower
from crossward.launcher.lines import Screen
from crossward.launcher.processes import ProcessTree
from crossward.launcher.watch import Ending, Watch


class FakeStream:
    """A ``flwr log`` process whose output is at hand."""

    def __init__(self, text: bytes, *, open_: bool) -> None:
        self._open, self._killed = open_, threading.Event()
        self.stdout = self._Pipe(text, self)

    class _Pipe(io.BytesIO):
        def __init__(self, text: bytes, owner: FakeStream) -> None:
            super().__init__(text)
            self._owner = owner

        def __next__(self) -> bytes:
            if line := self.readline():
                return line
            if self._owner._open:
                self._owner._killed.wait(60)
            raise StopIteration

    def poll(self) -> int | None:
        return None if self._open and not self._killed.is_set() else 0

    def wait(self) -> int:
        return 0

    def kill(self) -> None:
        self._killed.set()


class FakeFlower:
    def __init__(self, statuses: list[str], *, alive: bool = True, open_: bool = False, log: bytes = b"one\n") -> None:
        self.statuses, self.alive, self.open, self.log = statuses, alive, open_, log
        self.streams = 0

    def stream_log(self, run_id: str) -> subprocess.Popen[bytes]:
        self.streams += 1
        return cast(subprocess.Popen[bytes], FakeStream(self.log * self.streams, open_=self.open))

    def status(self, run_id: str) -> tuple[str, str]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == "error":
            raise LauncherError("no answer")
        return status, "why"


class FakeTree:
    def __init__(self, workers: list[int]) -> None:
        self.workers = workers

    def named(self, name: str) -> list[int]:
        return [1] * (self.workers.pop(0) if len(self.workers) > 1 else self.workers[0])


def follow(flower: FakeFlower, workers: list[int], log: Path, **limits: float) -> tuple[Ending, list[str]]:
    shown: list[str] = []
    screen = Screen(shown.append)
    tree = cast(ProcessTree, FakeTree(workers))
    limits = {"look_every_s": 0.05, "drain_s": 0.1} | limits
    return Watch(cast(Flower, flower), tree, "7", log, screen, shown.append, **limits).follow(), shown


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "run.log"


def test_the_status_at_the_logs_end_decides(log: Path) -> None:
    ending, shown = follow(FakeFlower(["finished:completed"]), [1], log)
    assert ending.completed and shown == ["one"] and log.read_text() == "one\n"
    assert not follow(FakeFlower(["finished:failed"]), [1], log)[0].completed


def test_a_broken_log_stream_goes_on_where_it_stopped(log: Path) -> None:
    ending, shown = follow(FakeFlower(["running", "finished:completed"]), [1], log)
    assert ending.completed and shown == ["one", "one"]


def test_a_reading_that_failed_in_between_shows_nothing_again(log: Path) -> None:
    """A SuperLink that is away for a moment: the second reading gets nothing, the third everything from the start."""
    flower = FakeFlower(["running", "running", "finished:completed"])
    texts = [b"one\ntwo\n", b"", b"one\ntwo\nthree\n"]

    def stream(run_id: str) -> subprocess.Popen[bytes]:
        return cast(subprocess.Popen[bytes], FakeStream(texts.pop(0), open_=False))

    flower.stream_log = stream  # type: ignore[method-assign]
    ending, shown = follow(flower, [1], log)
    assert ending.completed and shown == ["one", "two", "three"]


def test_a_dead_superlink_is_told(log: Path) -> None:
    ending, _ = follow(FakeFlower(["running"], alive=False, open_=True), [1], log)
    assert ending.status == "stalled" and "SuperLink" in ending.details


def test_a_dead_worker_is_told_unless_the_run_has_ended(log: Path) -> None:
    ending, _ = follow(FakeFlower(["running"], open_=True), [1, 0], log, grace_s=0.1)
    assert ending.status == "stalled" and "killed or crashed" in ending.details
    ending, _ = follow(FakeFlower(["error", "finished:failed"], open_=False), [1, 0], log, grace_s=9.0)
    assert ending == Ending("finished:failed", "why")


def test_a_worker_that_never_comes_is_told(log: Path) -> None:
    ending, _ = follow(FakeFlower(["starting"], open_=True), [0], log, grace_s=0.1, start_limit_s=0.1)
    assert "was ever started" in ending.details


def test_silence_is_mentioned(log: Path) -> None:
    flower = FakeFlower(["running", "finished:completed"], open_=True)
    _, shown = follow(flower, [1], log, silence_s=0.1, status_every_s=0.7)
    assert any(f"no output from the run for 0 s: waiting for its next line; the full log is {log}" in x for x in shown)
    flower = FakeFlower(["starting", "finished:failed"], open_=True, log=b"Starting Flower Simulation\n")
    _, shown = follow(flower, [0], log, silence_s=0.1, status_every_s=0.7)  # a line that people do not see is no news
    assert any("waiting for Flower to start its ServerApp" in line for line in shown)
    own = b"INFO :      Waiting for 15 s: 1 task under way (Ridgeway: train.alone 15 s)\n"
    flower = FakeFlower(["running", "finished:completed"], open_=True, log=own)
    _, shown = follow(flower, [1], log, silence_s=0.1, status_every_s=0.7)
    assert any(line.endswith("s: 1 task under way (Ridgeway: train.alone 15 s)") for line in shown)
