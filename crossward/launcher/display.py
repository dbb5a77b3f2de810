"""Where a person sees what happens in a simulated run: on a terminal with a bar, elsewhere as plain text.

What is shown of a run follows from its ledger, as every other view; ``RUN_VIEWS`` has an entry for each scenario.

Not for: the log (every line of it is in the run folder), or watching a run of another process
(``crossward.report.watch.follow``).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from crossward.config.scenarios import HORIZONTAL, TRANSFER, VERTICAL
from crossward.launcher.exact_losses import ExactLosses
from crossward.launcher.horizontal_view import HorizontalView
from crossward.launcher.run_view import RunView
from crossward.launcher.vertical_view import VerticalView

PLAIN_WIDTH = 160
RUN_VIEWS: dict[str, Callable[[Display, Path, ExactLosses, bool], RunView[Any]]] = {
    HORIZONTAL: HorizontalView,
    VERTICAL: VerticalView,
    TRANSFER: VerticalView,
}
"""What is shown of a run while it goes on, by its scenario."""


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

    def of_run(self, folder: Path, *, ours: bool, resumed: bool, scenario: str = HORIZONTAL) -> Callable[[str], bool]:
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
        return RUN_VIEWS[scenario](self, folder, exact, resumed)

    def bar(self, total: int, unit: str = "version") -> Progress | None:
        """The bar of a run of ``total`` versions, or other units; None where there is no terminal."""
        if self.console is not None and self._progress is None:
            columns = (SpinnerColumn(), TextColumn(unit), MofNCompleteColumn(), BarColumn(40))
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
