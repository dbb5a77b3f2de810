"""What every node of a run is doing now, drawn from the run folder's ledger and nothing else.

    python -m server_app.live RUN_FOLDER [--once]

In a terminal the view follows the run until it has finished or Ctrl-C; otherwise, or with ``--once``, it is printed
once as plain text. Site names and reasons come from nodes: they are shown as text on one line, whatever they hold.

Not for: what a line means (``server_app.live_state``), a whole run in figures (``server_app.report``).
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import io
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from protocol.messages import Head
from server_app.ledger import FILE_NAME, LedgerError
from server_app.ledger_chain import EMPTY, checked
from server_app.live_state import ABSENT, EXCLUDED, LEFT, NOTES, PAUSING, REASON, WAITING, LiveState, Row
from server_app.svg import clean, duration, size

PLAIN_WIDTH = 160
QUIET, LONG_QUIET = 5.0, 60.0  # seconds without a line after which one asks who writes, and says so
COLUMNS = ("since", "version", "updates", "steps", "tokens/s", "loss", "round\ntrip", "bytes\nup")
NARROW_WIDTH, NARROW = 110, ("steps", "tokens/s", "bytes\nup")  # below this width these columns are left out
STYLES = {PAUSING: "yellow", WAITING: "cyan", LEFT: "dim", ABSENT: "dim", EXCLUDED: "red"}


class Follower:
    """Takes a run folder's ledger in as it grows. ``dead``: the run has not finished, and no process writes any more.

    Raises
    ------
    LedgerError
        the ledger's chain does not hold, or a line is not as this version of the project writes it.
    OSError
        the ledger cannot be read.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.path, self.clock = folder / FILE_NAME, clock
        self._start_over()

    def _start_over(self) -> None:
        self.state, self.dead, self._head, self._offset = LiveState(), False, EMPTY, 0

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
                    self.state({"time": entry.time, "event": entry.event, **entry.facts})
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

    def draw(self, width: int = PLAIN_WIDTH, room: int = 0) -> RenderableType:
        """The view now, ``width`` characters wide, with at most ``room`` hospitals (default: all)."""
        now = self.clock()
        rows = self.state.rows(self.state.last if self.dead else now)
        shown = rows[:room] if room else rows
        parts: list[RenderableType] = [headline(self.state, now, self.dead), table(shown, self.state.version, width)]
        if more := Counter(row.state for row in rows[len(shown) :]):
            counts = ", ".join(f"{count} {state}" for state, count in more.most_common())
            parts.append(Text(f"and {more.total()} more: {counts}"))
        parts += [note(*found) for found in self.state.notes]
        return Group(*parts)


def _number(value: float | None) -> str:
    """Four digits; whole from 1000 to ten millions."""
    if value is None:
        return "-"
    return f"{value:.0f}" if 1e3 <= value < 1e7 else f"{value:#.4g}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else duration(round(value, 1))


def _utc(seconds: float, form: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


def headline(state: LiveState, now: float, dead: bool = False) -> Text:
    """The line above the table; ``now`` is by the clock, also of a run that is dead."""
    if not state.planned:
        return Text("the run has not begun")
    moment, silent = state.last if dead else state.moment(now), max(now - state.last, 0.0)
    said = [f"version {state.version} of {state.planned}"]
    if (pace := state.pace()) is not None:
        said.append(f"{duration(pace)} a version" if pace < 120 else f"{3600 / pace:.3g} versions an hour")
    said.append(f"elapsed {duration(state.elapsed(moment))}")
    if (left := state.to_go(moment)) is not None and not dead:
        said.append(f"about {duration(left)} to the last version, at {_utc(moment + left)}")
    if state.heldout is not None:
        loss, version, whole = state.heldout
        said.append(f"held-out loss {_number(loss)} at version {version}{'' if whole else ' (not all answered)'}")
    text = Text(", ".join(said))
    if state.finished is not None:
        text.append(f"; finished: {clean(state.finished, REASON)}", "green")
    elif dead:
        text.append(f"; died: nothing was written since {_utc(state.last)}, {duration(silent)} ago", "bold red")
    elif silent > LONG_QUIET:
        text.append(f"; nothing new for {duration(silent)}", "yellow")
    return text


def _cells(row: Row, newest: int) -> dict[str, str]:
    last, behind = row.updates, newest - row.version if row.version is not None else 0
    return {
        "since": _seconds(row.seconds),
        "version": "-" if row.version is None else f"{row.version} (-{behind})" if behind > 0 else str(row.version),
        "updates": str(last.accepted),
        "steps": "-" if last.steps is None else str(last.steps),
        "tokens/s": _number(last.tokens_per_second),
        "loss": _number(last.loss),
        "round\ntrip": _seconds(last.round_trip),
        "bytes\nup": size(last.bytes_up) if last.accepted else "-",
    }


def table(rows: Sequence[Row], newest: int, width: int = PLAIN_WIDTH) -> Table:
    """A line a hospital; ``newest`` is the newest version, ``width`` the terminal's in characters."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    drawn.add_column("hospital", overflow="fold", min_width=12)
    drawn.add_column("state", overflow="fold", min_width=16, max_width=48)
    left_out = NARROW if width < NARROW_WIDTH else ()
    for name in COLUMNS:
        if name not in left_out:
            drawn.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        state = f"{row.state}: {clean(row.detail, 60)}" if row.detail else row.state
        cells = [text for name, text in _cells(row, newest).items() if name not in left_out]
        drawn.add_row(Text(row.name), Text(state, STYLES.get(row.state, "")), *cells)
    return drawn


def note(name: str, line: Mapping[str, Any]) -> Text:
    """A notable line of the ledger in words."""
    event, version, reason = str(line["event"]), line.get("version"), clean(line.get("reason", ""), REASON)
    said = {
        "evaluated": f"held-out loss {_number(line.get('loss'))} at version {version}",
        "version": f"version {version} subtracts version {line.get('reverts')}",
        "void": f"version {version} opens at no node and is left out: {reason}",
        "excluded": f"{name}: excluded, as it contributed to every version that did not open",
        "disagreement": f"{clean(', '.join(line.get('hospitals', ())), REASON)}: another state of version {version} "
        "than the others",
        "snapshot-dropped": f"the snapshot was dropped: {reason}",
        "repaired": f"{line.get('torn_bytes')} bytes of a torn last line were set aside",
        "resumed": f"resumed at version {version}",
    }.get(event, f"{name}: {event}{f': {reason}' if reason else ''}")
    return Text(f"{_utc(float(line['time']), '%H:%M:%S')}  {said}", "dim", overflow="ellipsis", no_wrap=True)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m server_app.live", description="What every node is doing now.")
    parser.add_argument("folder", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("--once", action="store_true", help="print it once, as plain text")
    args = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # names in letters that the terminal lacks
    terminal = sys.stdout.isatty()
    follower = Follower(args.folder)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            if not follower.path.is_file():
                raise LedgerError(f"{args.folder} is no run folder: it holds no {FILE_NAME}")
            follower.refresh()
            if args.once or not terminal:
                plain = Console(width=None if terminal else PLAIN_WIDTH, color_system=None, force_terminal=False)
                plain.print(follower.draw(plain.width), highlight=False)
                return 0
            _follow(follower, Console(highlight=False))
        except (LedgerError, OSError) as error:
            print(f"no view: {clean(error, 500)}", file=sys.stderr)
            return 1
    return 0


def _follow(follower: Follower, console: Console) -> None:
    def view() -> RenderableType:  # the headline, the table's head and the notes leave so much room
        return follower.draw(console.width, room=max(console.height - NOTES - 8, 4))

    with Live(view(), console=console, auto_refresh=False) as live:
        while follower.state.finished is None:
            time.sleep(1.0)
            follower.refresh()
            live.update(view(), refresh=True)


if __name__ == "__main__":
    raise SystemExit(main())
