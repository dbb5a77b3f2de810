"""What every node of a run is doing now, drawn from the run folder's ledger and nothing else.

In a terminal the view follows the run until it has finished or Ctrl-C; otherwise, or where asked for, it is printed
once as plain text. Site names and reasons come from nodes: they are shown as text on one line, whatever they hold.

Not for: what a line means (``crossward.report.watch.state``), how it is drawn (``crossward.report.watch.view``), a
whole run in figures (``crossward.report.page``).
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from crossward.ledger.chain import EMPTY, checked
from crossward.ledger.events import Event
from crossward.ledger.file import FILE_NAME, LedgerError
from crossward.ledger.lines import of_entry
from crossward.protocol.messages import Head
from crossward.report.reported_loss import ExactLoss, reported_as, rounding_in
from crossward.report.watch.state import NOTES, WatchState
from crossward.report.watch.view import REPORTED, WIDTH, headline, note, table

QUIET = 5.0  # seconds without a line after which one asks who writes


class Follower:
    """Takes a run folder's ledger in as it grows. ``dead``: the run has not finished, and no process writes any more.

    ``exact`` gives the hospitals' exact training losses to who runs a simulation (``crossward.launcher.views``).
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
        exact: ExactLoss | None = None,
        seen: Callable[[int, Event], None] | None = None,
    ) -> None:
        self.path, self.clock, self.exact, self._seen = folder / FILE_NAME, clock, exact, seen
        self.rounding = rounding_in(folder)
        self._start_over()

    def _start_over(self) -> None:
        self.state, self.dead = WatchState(self.rounding, self.exact), False
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

    def draw(self, width: int = WIDTH, room: int = 0) -> RenderableType:
        """The view now, ``width`` characters wide, with at most ``room`` hospitals (default: all)."""
        now = self.clock()
        rows = self.state.rows(self.state.last if self.dead else now)
        shown = rows[:room] if room else rows
        drawn = table(shown, self.state.run.version, width, self.state.rounding)
        parts: list[RenderableType] = [headline(self.state, now, self.dead), drawn]
        if more := Counter(row.state for row in rows[len(shown) :]):
            counts = ", ".join(f"{count} {state}" for state, count in more.most_common())
            parts.append(Text(f"and {more.total()} more: {counts}"))
        if any(column.header == REPORTED for column in drawn.columns):
            noisy = any(row.updates.noise for row in shown)
            parts.append(Text(f"reported loss: {reported_as(self.state.rounding, noisy)}", "dim"))
        parts += [Text(""), *(note(*found) for found in self.state.notes)]
        return Group(*parts)


def show(folder: Path, exact: ExactLoss | None = None, once: bool = False) -> None:
    """Follow the run in a terminal until it has finished; elsewhere, or ``once``, print the view as plain text.

    Raises
    ------
    LedgerError
        see :class:`Follower`, or ``folder`` holds no run.
    OSError
        the ledger cannot be read.
    """
    terminal = sys.stdout.isatty()
    follower = Follower(folder, exact=exact)
    if not follower.path.is_file():
        raise LedgerError(f"{folder} is no run folder: it holds no {FILE_NAME}")
    follower.refresh()
    if once or not terminal:
        plain = Console(width=None if terminal else WIDTH, color_system=None, force_terminal=False)
        plain.print(follower.draw(plain.width), highlight=False)
        return
    with contextlib.suppress(KeyboardInterrupt):
        _follow(follower, Console(highlight=False))


def _follow(follower: Follower, console: Console) -> None:
    def view() -> RenderableType:  # the headline, the table's head and the notes leave so much room
        return follower.draw(console.width, room=max(console.height - NOTES - 10, 4))

    with Live(view(), console=console, auto_refresh=False) as live:
        while follower.state.finished is None:
            time.sleep(1.0)
            follower.refresh()
            live.update(view(), refresh=True)
