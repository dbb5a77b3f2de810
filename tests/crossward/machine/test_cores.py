"""Cores of a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_only_cores_that_this_process_may_use_count() -> None:
    count = "from crossward.machine.cores import cores; print(cores())"
    code = f"import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); {count}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
