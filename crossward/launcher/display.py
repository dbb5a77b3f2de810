"""What a person sees of a simulated run: a line a version with its loss and the time left, and what went wrong.

It is drawn from the run's ledger, as every other view, with the exact training losses that the simulated hospitals
keep on this machine. On a terminal a bar shows how far the run is; elsewhere lines are plain text.

Not for: the log (every line of it is in the run folder), or watching a run of another process
(``crossward.report.watch.command``).
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from crossward.launcher.exact_losses import ExactLosses
from crossward.ledger.file import LedgerError
from crossward.protocol.messages import ACCEPTED, LATE, OUTCOMES
from crossward.report.svg import clean, duration
from crossward.report.watch.command import Follower

TROUBLES = {*OUTCOMES, "void", "excluded", "disagreement", "left", "repaired"} - {ACCEPTED}
PLAIN_WIDTH = 160


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """The reader has gone; the run goes on, and its log is in the file."""


class Display:
    """Call it with a line of the launcher's own; `of_run` shows what the run itself does. Close it with ``with``."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.console = _Terminal(highlight=False) if sys.stdout.isatty() else None
        self._progress: Progress | None = None

    def __call__(self, line: str) -> None:
        """One line, as it is."""
        self.print(Text(line), wrap=True)

    def print(self, what: RenderableType, wrap: bool = False) -> None:
        """Print above the bar on a terminal, as plain text elsewhere."""
        if self.console is not None:
            console = self._progress.console if self._progress is not None else self.console
            with contextlib.suppress(OSError):
                console.print(what, soft_wrap=wrap, no_wrap=not wrap, overflow="ignore" if wrap else "ellipsis")
        elif isinstance(what, Text):
            with contextlib.suppress(OSError):
                print(what.plain, flush=True)
        else:
            plain = Console(width=PLAIN_WIDTH, color_system=None, force_terminal=False)
            with contextlib.suppress(OSError), plain.capture() as captured:
                plain.print(what)
            with contextlib.suppress(OSError):
                print(captured.get(), end="", flush=True)

    def of_run(self, folder: Path, *, ours: bool, resumed: bool) -> Callable[[str], bool]:
        """What to call with every line of the log of the run in ``folder``; it returns whether it was shown.

        A run of another app has no ledger of ours: its log is shown as it is.
        """
        if self.quiet:
            return lambda line: False
        exact = ExactLosses(folder)
        if self.verbose or not ours:

            def show(line: str) -> bool:
                self(exact.shown(line))
                return True

            return show
        return RunView(self, folder, exact, resumed)

    def bar(self, total: int) -> Progress | None:
        """The bar of a run of ``total`` versions; None where there is no terminal."""
        if self.console is not None and self._progress is None:
            columns = (SpinnerColumn(), TextColumn("version"), MofNCompleteColumn(), BarColumn(40))
            self._progress = Progress(*columns, TextColumn("{task.description}"), console=self.console, transient=True)
            self._progress.add_task("", total=total)
            self._progress.start()
        return self._progress

    def close(self) -> None:
        """Take the bar away."""
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.stop()

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RunView:
    """Called with every line of a run's log: shows warnings, and what its ledger has got since the last one."""

    def __init__(self, display: Display, folder: Path, exact: ExactLosses, resumed: bool) -> None:
        self.display, self.exact = display, exact
        self.follower = Follower(folder, exact=exact, seen=self._seen)
        self._shown = 0  # the newest line of the ledger that was shown
        self._silent, self._said = resumed, False
        self._version, self._planned = 0, 0
        self._heldout: float | None = None
        self._sites: dict[str, str] = {}  # node or hospital -> site
        self._mutex = threading.Lock()
        self.measured = 0
        self._read()
        self._silent = False

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

    def _draw_bar(self) -> None:
        state = self.follower.state
        if self._planned and (bar := self.display.bar(self._planned)) is not None:
            if self.measured:
                words = f"training alone and measuring: {self.measured} hospitals done"
            elif self._version >= self._planned:
                words = "hospitals measure the last version"
            elif (left := state.to_go(time.time())) is not None:
                words = f"about {duration(round(left))} left"
            else:
                words = "the first version takes longest" if not self._version else ""
            bar.update(bar.task_ids[0], completed=self._version, description=words)

    def _say(self, what: Text) -> None:
        self._said = True
        self.display.print(what)

    def _seen(self, number: int, line: Mapping[str, Any]) -> None:
        if number <= self._shown:
            return
        self._shown, event = number, line["event"]
        if event in ("started", "resumed"):
            self._planned, self._version = int(line["last"]), int(line["version"])
        elif event == "version":
            self._version = int(line["version"])
        elif event == "evaluated" and line["loss"] is not None:
            self._heldout = float(line["loss"])
        if line.get("site"):
            self._sites |= {str(line[key]): str(line["site"]) for key in ("node", "hospital") if key in line}
        if not self._silent:
            self._show(event, line)

    def _show(self, event: str, line: Mapping[str, Any]) -> None:
        if event in ("started", "resumed"):
            words = "resumed" if event == "resumed" else "started"
            self._say(Text(f"{words} at version {line['version']} of {line['last']}"))
        elif event == "version" and "reverts" not in line:
            self._say(self._version_line(line))
            if self._version >= self._planned:
                self._say(Text("all versions are made; hospitals now measure the last one", "dim"))
        elif event == "version" or event in TROUBLES:
            if event == LATE and self._version >= self._planned:
                return  # whoever was still at work when the last version was made
            self._say(self._trouble(line))
        elif event == "evaluated" and line["loss"] is not None:
            answered = "" if line["complete"] else ", not all hospitals answered"
            self._say(Text(f"{'':14}held-out loss {line['loss']:.3f} at version {line['version']}{answered}", "bold"))
        elif event == "measured" and "own_loss_sum" in line:
            self.measured += 1
            site = clean(line.get("site", ""), 64)
            self._say(Text(f"{site} has trained alone and measured all adapters", "dim"))

    def _trouble(self, line: Mapping[str, Any]) -> Text:
        who = [str(line[key]) for key in ("hospital", "node") if line.get(key)]
        name = next((self._sites[one] for one in who if one in self._sites), who[0] if who else "")
        said = [clean(name, 64), f"version {line['version']}" if "version" in line and not name else "", line["event"]]
        if "reverts" in line:
            said = [f"version {line['version']} subtracts version {line['reverts']}"]
        elif line["event"] == "disagreement":
            said = [f"{name}: another state of version {line['version']} than the others"]
        return Text(": ".join(filter(None, [*said, clean(line.get("reason", ""), 300)])), "yellow")

    def _version_line(self, line: Mapping[str, Any]) -> Text:
        """``version  3/24  training loss 2.364  held-out 2.401    40 s  about 2 min left  North, South (1 behind)``."""
        state, now = self.follower.state, time.time()
        width = len(str(self._planned))
        text = Text(f"version {line['version']:>{width}}/{self._planned}  ")
        text.append(f"{self._loss(line):<38}", "bold")
        left = state.to_go(now)
        text.append(f"{duration(state.elapsed(float(line['time']))):>12}  ", "dim")
        if self.display.console is None:  # on a terminal the bar shows it
            text.append(f"{f'about {duration(round(left))} left' if left is not None else '':<22}")
        members = [
            clean(site, 64) + (f" ({stale} behind)" if stale else "")
            for site, stale in zip(line["sites"], line["staleness"], strict=True)
        ]
        return text.append(", ".join(members), "dim")

    def _loss(self, line: Mapping[str, Any]) -> str:
        """The version's exact training loss where it is known, or what privacy cost; the held-out loss of late."""
        loss = self.exact.of_version(int(line["version"]))
        if loss is None and not self.follower.rounding and "train_loss" in line:
            loss = float(line["train_loss"])
        if loss is not None:
            said = f"training loss {loss:.3f}"
        elif "hospital_epsilon" in line:
            said = f"hospital epsilon {line['hospital_epsilon']:.3g}"
        else:
            said = "training loss withheld" if "train_loss" not in line else "training loss unknown"
        return said if self._heldout is None else f"{said}, held-out {self._heldout:.3f}"
