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
from collections.abc import Callable
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from crossward.launcher.exact_losses import ExactLosses
from crossward.ledger.events import (
    Disagreement,
    Discarded,
    Evaluated,
    Event,
    Excluded,
    Late,
    Left,
    Measured,
    Refused,
    Repaired,
    Session,
    Version,
)
from crossward.ledger.file import LedgerError
from crossward.report.svg import clean, duration
from crossward.report.watch.command import Follower
from server_app.progress import ESTIMATED_LOSS

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
        self._hospitals: dict[str, str] = {}  # by node
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
        version, planned = state.run.version, state.run.planned
        if planned and (bar := self.display.bar(planned)) is not None:
            if self.measured:
                words = f"training and measuring locally: {self.measured} hospitals done"
            elif version >= planned:
                words = "hospitals measure the last version"
            elif (left := state.to_go(time.time())) is not None:
                words = f"about {duration(round(left))} left"
            else:
                words = "the first version takes longest" if not version else ""
            bar.update(bar.task_ids[0], completed=version, description=words)

    def _say(self, what: Text) -> None:
        self._said = True
        self.display.print(what)

    def _seen(self, number: int, event: Event) -> None:
        if number <= self._shown:
            return
        self._shown = number
        if not self._silent:
            self._show(event)

    def _show(self, event: Event) -> None:
        run = self.follower.state.run
        done = run.version >= run.planned
        match event:
            case Session():
                self._say(Text(f"{event.name} at version {event.version} of {event.last}"))
            case Version(reverts=None):
                self._say(self._version_line(event))
                if done:
                    what = "all versions are made; hospitals train their own adapters (run.alone), and measure"
                    self._say(Text(what, "dim"))
            case Late() if done:
                return  # whoever was still at work when the last version was made
            case Version() | Refused() | Discarded() | Excluded() | Disagreement() | Left() | Repaired():
                self._say(self._trouble(event))
            case Evaluated() if event.loss is not None:
                answered = "" if event.complete else ", not all hospitals answered"
                self._say(Text(f"{'':14}held-out loss {event.loss:.3f} at version {event.version}{answered}", "bold"))
            case Measured() if "own" in event.measures:
                self.measured += 1
                trained = "an adapter alone and a personal one" if "personal" in event.measures else "an adapter alone"
                self._say(Text(f"{clean(event.site, 64)} has trained {trained}, and measured them", "dim"))

    def _trouble(self, event: Event) -> Text:
        name = self._name(event)
        if isinstance(event, Version):
            return Text(f"version {event.version} subtracts version {event.reverts}", "yellow")
        if isinstance(event, Disagreement):
            return Text(f"{name} holds another state of version {event.version} than the others", "yellow")
        version = f"version {event.version}" if isinstance(event, Discarded) else ""
        text = [name, version, event.name, clean(getattr(event, "reason", ""), 300)]
        return Text(": ".join(filter(None, text)), "yellow")

    def _name(self, event: Event) -> str:
        """The site, or else the key or number, of the hospital that an event is about."""
        hospital, node = getattr(event, "hospital", ""), getattr(event, "node", "")
        run = self.follower.state.run
        if not hospital and node:
            hospital = self._hospitals.get(node, "")
        elif hospital and node:
            self._hospitals[node] = hospital
        return clean(run.sites.get(hospital, hospital or node), 64)

    def _version_line(self, made: Version) -> Text:
        """``version  3/24  training loss 2.364  held-out 2.401    40 s  about 2 min left  North, South (1 behind)``."""
        state, now = self.follower.state, time.time()
        planned = state.run.planned
        text = Text(f"version {made.version:>{len(str(planned))}}/{planned}  ")
        text.append(f"{self._loss(made):<42}", "bold")
        left = state.to_go(now)
        text.append(f"{duration(state.elapsed(made.time)):>12}  ", "dim")
        if self.display.console is None:  # on a terminal the bar shows it
            text.append(f"{f'about {duration(round(left))} left' if left is not None else '':<24}")
        members = [
            clean(site, 64) + (f" ({stale} behind)" if stale else "")
            for site, stale in zip(made.sites, made.staleness, strict=True)
        ]
        return text.append(", ".join(members), "dim")

    def _loss(self, made: Version) -> str:
        """The version's exact training loss where it is known, or what privacy cost; the held-out loss of late."""
        loss = self.exact.of_version(made.version)
        if loss is None and not (self.follower.rounding or made.loss_noise):
            loss = made.train_loss
        if made.train_loss is not None and made.loss_noise and loss is None:
            text = ESTIMATED_LOSS.format(made.train_loss, made.loss_noise)
        elif loss is not None:
            text = f"training loss {loss:.3f}"
        elif made.hospital_epsilon is not None:
            text = f"hospital epsilon {made.hospital_epsilon:.3g}"
        else:
            text = f"training loss {'withheld' if made.train_loss is None else 'unknown'}"
        found = self.follower.state.run.heldout
        return text if found is None else f"{text}, held-out {found.loss:.3f} at {found.version}"
