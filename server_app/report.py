"""The report that a ServerApp writes when its run has ended.

Not for: what is in it (``crossward.report``).
"""

from __future__ import annotations

from collections.abc import Callable
from logging import WARNING
from pathlib import Path

from flwr.common import log


def report(folder: Path, write: Callable[[Path], Path], say: Callable[[str], None]) -> None:
    """Write the report. It is for people: a run whose report cannot be drawn is a run all the same."""
    try:
        say(f"Report: {write(folder)}")
    except Exception as error:
        log(WARNING, "No report was written (%s: %s); `crossward report` tries again", type(error).__name__, error)
