"""Following a run's ledger as it grows, and showing what it says in a terminal: the same for every kind of run.

In a terminal the view follows the run until it has finished or Ctrl-C; otherwise, or where asked for, it is printed
once as plain text.

Not for: what a line means or how it is drawn (``crossward.report.watch.command``, ``crossward.report.vertical.watch``).
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live

from crossward.ledger.chain import EMPTY, checked
from crossward.ledger.events import Event
from crossward.ledger.file import FILE_NAME, LedgerError
from crossward.ledger.lines import of_entry
from crossward.protocol.messages import Head

QUIET = 5.0  # seconds without a line after which one asks who writes
WIDTH = 160  # of plain text
NOTES = 6  # most notes below a table


class LiveState(Protocol):
    """What follows from a run's events: called with each of them in order. ``last`` is the last one's time."""

    last: float

    @property
    def finished(self) -> str | None:
        """Why the run ended; None while it goes on."""

    def __call__(self, event: Event) -> None:
        """Take in the next event."""


State = TypeVar("State", bound=LiveState)


class LedgerFollower(ABC, Generic[State]):
    """Takes a run folder's ledger in as it grows. ``dead``: the run has not finished, and no process writes any more.

    ``seen`` is called with every line's number and event once ``state`` has taken it in.

    Raises
    ------
    LedgerError
        the ledger's chain does not hold, or a line is not as this version of the project writes it.
    OSError
        the ledger cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.time,
        seen: Callable[[int, Event], None] | None = None,
    ) -> None:
        self.path, self.clock, self._seen = folder / FILE_NAME, clock, seen
        self._start_over()

    @abstractmethod
    def fresh(self) -> State:
        """The state of a run without events."""

    @abstractmethod
    def draw(self, width: int = WIDTH, room: int = 0) -> RenderableType:
        """The view now, ``width`` characters wide, with at most ``room`` rows (default: all)."""

    def _start_over(self) -> None:
        self.state, self.dead = self.fresh(), False
        self._head, self._offset = EMPTY, 0

    def read(self) -> None:
        """Take in the whole lines that were added."""
        try:
            self._read()
        except LedgerError:  # a line that the disk refused in the end was taken back: what is there now counts
            self._start_over()
            self._read()

    def refresh(self) -> None:
        """:meth:`read`, and find out whether the run's process still lives."""
        before = self._offset
        self.read()
        if self._offset != before:
            self.dead = False
        if not self.dead and self.state.finished is None and self.clock() - self.state.last > QUIET:
            self.dead = not self._locked()

    def _read(self) -> None:
        with self.path.open("rb") as file:
            if file.seek(0, io.SEEK_END) < self._offset:
                raise LedgerError(f"{self.path} is shorter than it was")
            file.seek(self._offset)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return  # torn, or being written
                where = f"{self.path}, line {self._head.seq + 1}"
                entry = checked(raw, self._head, where)
                event = of_entry(entry, self.path)
                try:
                    self.state(event)
                except (KeyError, TypeError, ValueError, ArithmeticError) as error:
                    raise LedgerError(f"{where}: not {entry.event!r} as this version writes it: {error!r}") from error
                self._head, self._offset = Head(entry.seq, entry.hash), self._offset + len(raw)
                if self._seen is not None:
                    self._seen(entry.seq, event)

    def _locked(self) -> bool:
        """Whether the ledger's writer lives; True where the file system cannot tell.

        A free lock is held here for a moment, once: a run that is resumed in that very moment would be refused.
        """
        with self.path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False


def show(follower: LedgerFollower[Any], once: bool = False) -> None:
    """Follow the run in a terminal until it has finished; elsewhere, or ``once``, print the view as plain text.

    Raises
    ------
    LedgerError
        see :class:`LedgerFollower`, or there is no run.
    OSError
        the ledger cannot be read.
    """
    terminal = sys.stdout.isatty()
    if not follower.path.is_file():
        raise LedgerError(f"{follower.path.parent} is no run folder: it holds no {FILE_NAME}")
    follower.refresh()
    if once or not terminal:
        plain = Console(width=None if terminal else WIDTH, color_system=None, force_terminal=False)
        plain.print(follower.draw(plain.width), highlight=False)
        return
    with contextlib.suppress(KeyboardInterrupt):
        _follow(follower, Console(highlight=False))


def _follow(follower: LedgerFollower[Any], console: Console) -> None:
    def view() -> RenderableType:  # the headline, the table's head and the notes leave so much room
        return follower.draw(console.width, room=max(console.height - NOTES - 10, 4))

    with Live(view(), console=console, auto_refresh=False) as live:
        while follower.state.finished is None:
            time.sleep(1.0)
            follower.refresh()
            live.update(view(), refresh=True)
