"""The keeper with real processes: restarts with growing pauses, passes output on, ends everything in order."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from crossward.deploy import keeper
from crossward.deploy.keeper import Keeper, Service
from tests.processes import runs


def service(name: str, code: str, **more: object) -> Service:
    return Service(name, [sys.executable, "-c", code], dict(os.environ), **more)  # type: ignore[arg-type]


def keep(services: list[Service], until: Callable[[], bool], patience: float = 300.0) -> list[str]:
    """Run a keeper until something holds; what it said."""
    lines: list[str] = []
    deadline = time.monotonic() + patience

    def every() -> None:
        if until() or time.monotonic() > deadline:
            kept.stop()

    kept = Keeper(services, lines.append, every)
    assert kept.run() == 0
    assert until(), lines
    return lines


def test_what_ends_is_started_again_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SHORTEST", 0.05)
    begun: list[float] = []
    ended: list[int] = []
    one = service("worker", "raise SystemExit(3)", before=lambda: begun.append(time.monotonic()), ended=ended.append)
    lines = keep([one], lambda: one.starts == 4)
    pauses = [later - earlier for earlier, later in pairwise(begun)]
    assert pauses[1] >= 0.2 and pauses[2] >= 0.4, pauses  # 0.1, 0.2, 0.4 s, and the time that a process takes
    assert ended[:3] == [3, 3, 3]
    assert "worker ended with code 3; restarting in 0.1 s" in lines


def test_a_kill_is_told_and_lines_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SHORTEST", 0.01)
    on_line: list[str] = []
    code = "import time; print('SuperNode ID: 7', flush=True); time.sleep(600)"
    one = service("node", code, on_line=on_line.append)

    def until() -> bool:
        if one.starts == 1 and on_line and one.process is not None and one.process.poll() is None:
            one.process.kill()
        return one.starts >= 2 and on_line.count("SuperNode ID: 7") >= 2

    lines = keep([one], until)
    assert any(line.startswith("node was killed by signal 9") for line in lines)
    assert lines.count("SuperNode ID: 7") >= 2


def test_everything_is_ended_last_started_first_with_what_it_left(tmp_path: Path) -> None:
    order: list[str] = []
    child = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    first = service("first", f"{child}; print(p.pid, flush=True); time.sleep(600)", on_line=order.append)
    second = service("second", "import time; print('up', flush=True); time.sleep(600)", on_line=order.append)
    first.ended = lambda code: order.append("first ended")
    second.ended = lambda code: order.append("second ended")
    keep([first, second], lambda: len([line for line in order if line == "up" or line.isdigit()]) == 2)
    assert order[-2:] == ["second ended", "first ended"]
    (grandchild,) = [int(line) for line in order if line.isdigit()]
    assert grandchild not in [p.pid for p in psutil.process_iter() if runs(p)]
