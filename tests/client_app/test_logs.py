"""A node's log reaches whoever runs its SuperNode, once, and never the test runner's own logging."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """
import logging
{before}
from client_app.logs import show_log
show_log()
show_log()
logging.getLogger("crossward.node").info("step %s", 3)
"""


def lines(before: str = "") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(before=before)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not done.stdout
    return done.stderr.splitlines()


def test_a_line_is_printed_once_with_its_time_and_origin() -> None:
    (line,) = lines()
    assert line.endswith("INFO crossward.node: step 3") and line[:2] == "20"


def test_logging_that_is_set_up_already_is_left_alone() -> None:
    assert lines("logging.basicConfig(level=logging.INFO, format='%(message)s')") == ["step 3"]
