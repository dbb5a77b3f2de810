"""What every node of a run is doing now, drawn from the run folder's ledger and nothing else.

Site names and reasons come from nodes: they are shown as text on one line, whatever they hold.

Not for: following the file (``crossward.report.watch.follow``), what a line means (``crossward.report.watch.state``),
how it is drawn (``crossward.report.watch.view``), a whole run in figures (``crossward.report.page``).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from crossward.ledger.events import Event
from crossward.report.reported_loss import ExactLoss, reported_as, rounding_in
from crossward.report.watch.follow import WIDTH, LedgerFollower
from crossward.report.watch.state import WatchState
from crossward.report.watch.view import REPORTED, headline, note, table


class Follower(LedgerFollower[WatchState]):
    """Follows a run whose hospitals have notes of different patients.

    ``exact`` gives the hospitals' exact training losses to who runs a simulation (``crossward.launcher.views``).
    Raises as :class:`~crossward.report.watch.follow.LedgerFollower` does.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.time,
        exact: ExactLoss | None = None,
        seen: Callable[[int, Event], None] | None = None,
    ) -> None:
        self.exact, self.rounding = exact, rounding_in(folder)
        super().__init__(folder, clock, seen)

    def fresh(self) -> WatchState:
        """The state of a run without events."""
        return WatchState(self.rounding, self.exact)

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
