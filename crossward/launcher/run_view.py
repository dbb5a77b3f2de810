"""What a person sees of a simulated run while it goes on: called with its log, drawn from its ledger.

Not for: the lines of a kind of run (``crossward.launcher.horizontal_view``, ``crossward.launcher.vertical_view``), or
printing them (``crossward.launcher.display``).
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rich.text import Text

from crossward.ledger.events import Event
from crossward.ledger.file import LedgerError
from crossward.report.watch.follow import LedgerFollower

if TYPE_CHECKING:
    from crossward.launcher.display import Display

Followed = TypeVar("Followed", bound=LedgerFollower[Any])


class RunView(ABC, Generic[Followed]):
    """Called with every line of a run's log: shows warnings, and what its ledger has got since the last one.

    ``resumed``: what the ledger has by now was shown before.
    """

    def __init__(self, display: Display, follower: Followed, resumed: bool) -> None:
        self.display, self.follower = display, follower
        self._shown = 0  # the newest line of the ledger that was shown
        self._silent, self._said = resumed, False
        self._mutex = threading.Lock()
        self._read()
        self._silent = False

    @abstractmethod
    def _show(self, event: Event) -> None:
        """Say what a person should know of an event that the follower's state has taken in."""

    @abstractmethod
    def _draw_bar(self) -> None:
        """Draw how far the run is."""

    def __call__(self, line: str) -> bool:
        """Show the line if a person wants to see it; whether it was shown."""
        if line.startswith(("warning: ", "error: ", "critical: ")):
            self.display.print(Text(line, "red" if line[0] != "w" else "yellow"), wrap=True)
            return True
        self._said = False
        self._read()
        return self._said

    def _read(self) -> None:
        # the view is an aid: a ledger that it cannot read ends no run
        with self._mutex, contextlib.suppress(LedgerError, OSError, KeyError, ValueError):
            if self.follower.path.exists():
                self.follower.read()
                self._draw_bar()

    def _say(self, what: Text) -> None:
        self._said = True
        self.display.print(what)

    def seen(self, number: int, event: Event) -> None:
        """Take note of the ledger's line ``number``; to be given to the follower."""
        if number <= self._shown:
            return
        self._shown = number
        if not self._silent:
            self._show(event)
