"""What every node of a run is doing now, drawn from the run folder's ledger and nothing else.

    python -m crossward.report.watch.command RUN_FOLDER [--once]

In a terminal the view follows the run until it has finished or Ctrl-C; otherwise, or with ``--once``, it is printed
once as plain text. Site names and reasons come from nodes: they are shown as text on one line, whatever they hold.

Not for: what a line means (``crossward.report.watch.state``), how it is drawn (``crossward.report.watch.view``), a
whole run in figures (``crossward.report.page``).
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import io
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from crossward.ledger.chain import EMPTY, checked
from crossward.ledger.events import of_entry
from crossward.ledger.file import FILE_NAME, LedgerError
from crossward.machine.paths import path_argument
from crossward.protocol.messages import Head
from crossward.report.reported_loss import ExactLoss, rounding_in
from crossward.report.svg import clean
from crossward.report.watch.state import NOTES, WatchState
from crossward.report.watch.view import REPORTED, WIDTH, headline, note, table

QUIET = 5.0  # seconds without a line after which one asks who writes


class Follower:
    """Takes a run folder's ledger in as it grows. ``dead``: the run has not finished, and no process writes any more.

    ``exact`` gives the hospitals' exact training losses to who runs a simulation (``crossward.launcher.views``).

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
    ) -> None:
        self.path, self.clock, self.exact = folder / FILE_NAME, clock, exact
        self.rounding = rounding_in(folder)
        self._start_over()

    def _start_over(self) -> None:
        self.state, self.dead = WatchState(self.rounding, self.exact), False
        self._head, self._offset = EMPTY, 0

    def refresh(self) -> None:
        """Take in the whole lines that were added."""
        before = self._offset
        try:
            self._read()
        except LedgerError:  # a line that the disk refused in the end was taken back: what is there now counts
            self._start_over()
            self._read()
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
                try:
                    self.state(of_entry(entry, self.path))
                except (KeyError, TypeError, ValueError, ArithmeticError) as error:
                    raise LedgerError(f"{where}: not {entry.event!r} as this version writes it: {error!r}") from error
                self._head, self._offset = Head(entry.seq, entry.hash), self._offset + len(raw)

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
            parts.append(Text(f"reported loss: of a hospital's last training, {self.state.rounding}", "dim"))
        parts += [Text(""), *(note(*found) for found in self.state.notes)]
        return Group(*parts)


def main(
    argv: Sequence[str] | None = None,
    prog: str = "python -m crossward.report.watch.command",
    exact: Callable[[Path], ExactLoss | None] = lambda folder: None,
) -> int:
    """The command line; ``exact`` as for :class:`Follower`, of a run folder."""
    parser = argparse.ArgumentParser(prog=prog, description="What every node is doing now.")
    parser.add_argument("folder", type=path_argument, metavar="RUN_FOLDER")
    parser.add_argument("--once", action="store_true", help="print it once, as plain text")
    args = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # names in letters that the terminal lacks
    terminal = sys.stdout.isatty()
    follower = Follower(args.folder, exact=exact(args.folder))
    with contextlib.suppress(KeyboardInterrupt):
        try:
            if not follower.path.is_file():
                raise LedgerError(f"{args.folder} is no run folder: it holds no {FILE_NAME}")
            follower.refresh()
            if args.once or not terminal:
                plain = Console(width=None if terminal else WIDTH, color_system=None, force_terminal=False)
                plain.print(follower.draw(plain.width), highlight=False)
                return 0
            _follow(follower, Console(highlight=False))
        except (LedgerError, OSError) as error:
            print(f"no view: {clean(error, 500)}", file=sys.stderr)
            return 1
    return 0


def _follow(follower: Follower, console: Console) -> None:
    def view() -> RenderableType:  # the headline, the table's head and the notes leave so much room
        return follower.draw(console.width, room=max(console.height - NOTES - 10, 4))

    with Live(view(), console=console, auto_refresh=False) as live:
        while follower.state.finished is None:
            time.sleep(1.0)
            follower.refresh()
            live.update(view(), refresh=True)


if __name__ == "__main__":
    raise SystemExit(main())
