"""One run through the command line, with the memory of its processes watched.

Not for: what is read out of it (``benchmarks.real_model.summary``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.harness.command import say
from benchmarks.harness.peak import peak_of
from benchmarks.harness.processes import ProcessError, importable
from crossward.machine.files import write_atomic

EVERY = 2.0  # seconds between looks at the processes
_PEAKS = "watched.json"


@dataclass(frozen=True)
class Setting:
    """A model's folder or hub id, a file of notes, keys of the run config as KEY=VALUE, and where the run is kept."""

    model: str
    notes: Path
    keys: tuple[str, ...]
    work: Path


@dataclass(frozen=True)
class Ran:
    """A finished run: its folder, its wall time, and peaks in MiB.

    ``process_mib`` is the peak of the largest process, ``together_mib`` the most that all of them held at one look,
    shared pages counted once.
    """

    folder: Path
    seconds: float
    process_mib: float
    together_mib: float


def run(setting: Setting) -> Ran:
    """Run and evaluate, or read what an earlier call left in ``setting.work``.

    Raises
    ------
    ProcessError
        the run or its evaluation failed.
    """
    folder, kept = setting.work / "run", setting.work / _PEAKS
    if kept.exists():
        return Ran(folder, **json.loads(kept.read_text("utf-8")))
    setting.work.mkdir(parents=True, exist_ok=True)
    keys = " ".join((*setting.keys, f"run.folder='{folder}'", f"run.state-dir='{setting.work / 'state'}'"))
    command = [sys.executable, "-m", "crossward", "run", "--model", setting.model, "--notes", str(setting.notes)]
    command += ["--run-config", keys, "--evaluation-args", "--at-home --generations 0"]
    say(f"running {' '.join(command[1:])}")
    began = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": importable()}, stdout=sys.stderr)
    largest, together = 0.0, 0.0
    while process.poll() is None:
        one, all_of_them = _look(process.pid)
        largest, together = max(largest, one), max(together, all_of_them)
        time.sleep(EVERY)
    if process.returncode:
        raise ProcessError(f"crossward run ended with code {process.returncode}")
    facts = {"seconds": time.monotonic() - began, "process_mib": largest, "together_mib": together}
    write_atomic(kept, json.dumps(facts) + "\n")
    return Ran(folder, **facts)


def _look(root: int) -> tuple[float, float]:
    """Peak of the largest process below ``root``, and what all hold now (shared pages in proportion), MiB."""
    try:
        processes = psutil.Process(root).children(recursive=True)
    except psutil.Error:
        return 0.0, 0.0
    held = 0.0
    for process in processes:
        try:
            held += getattr(process.memory_full_info(), "pss", 0) or process.memory_info().rss
        except psutil.Error:
            continue
    return max((peak_of(process.pid) for process in processes), default=0.0), held / 2**20
