"""Peak memory of a process."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.harness.peak import own_peak
from benchmarks.harness.processes import ROOT


def test_a_peak_belongs_to_the_process_not_to_the_one_that_started_it() -> None:
    held = bytearray(256 << 20)
    code = "from benchmarks.harness.peak import own_peak; print(own_peak())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    assert own_peak() > len(held) / 2**20 > float(done.stdout) > 1
