"""Time as a strategy sees it, so that a test can replace it.

Not for: timestamps in the ledger (``crossward.ledger.file``).
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since some moment, and waiting."""

    def now(self) -> float:
        """Seconds; never falls."""

    def pause(self, seconds: float, until: float) -> None:
        """Wait for ``seconds``, not beyond ``until``; a virtual clock may jump to the next event before ``until``."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def pause(self, seconds: float, until: float) -> None:
        """Sleep for ``seconds``, not beyond ``until``."""
        time.sleep(max(0.0, min(seconds, until - self.now())))
