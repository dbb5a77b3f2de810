"""A simulated run of parties with other features of the same patients, for who runs it: a line a step, and troubles.

Not for: runs of hospitals with notes of different patients (``crossward.launcher.horizontal_view``), watching a run of
another process (``crossward.report.vertical.watch``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from crossward.launcher.exact_losses import ExactLosses
from crossward.launcher.run_view import RunView
from crossward.ledger.events import Event, Left, Session
from crossward.ledger.vertical_events import PartiesMet, PartyAbsent, StepFailed
from crossward.report.svg import clean, duration
from crossward.report.vertical.steps import reported
from crossward.report.vertical.watch import VerticalFollower
from crossward.report.vertical.words import doing, event_lines, listed, title, trouble_line

if TYPE_CHECKING:
    from crossward.launcher.display import Display


class VerticalView(RunView[VerticalFollower]):
    """See the module; a run of parties has no losses of trainings to look for, so that ``exact`` is left aside."""

    def __init__(self, display: Display, folder: Path, exact: ExactLosses, resumed: bool) -> None:
        self._said_steps: set[int] = set()
        super().__init__(display, VerticalFollower(folder, seen=self.seen), resumed)
        self._said_steps.update(self.follower.state.ended)

    def _draw_bar(self) -> None:
        state = self.follower.state
        if state.planned and (bar := self.display.bar(state.planned, "step")) is not None:
            work = dict.fromkeys(doing(span.action, span.round) for span in state.doing() if span.party)
            who = listed([span.party for span in state.doing() if span.party])
            words = clean(f"{who}: {', '.join(work)}", 100) if work else ""
            bar.update(bar.task_ids[0], completed=state.done, description=words)

    def _show(self, event: Event) -> None:
        match event:
            case Session():
                self._say(Text(f"{event.name} at step {event.version} of {event.last}"))
            case PartiesMet():
                for line in event_lines(event, 0):
                    self._say(Text(clean(line)))
            case StepFailed() | PartyAbsent():
                self._say(Text(clean(trouble_line(event)), "yellow"))
            case Left() if self.follower.state.finished is None:
                self._say(Text(clean(f"{event.hospital or event.node}: disconnected"), "yellow"))
        for number in sorted(self.follower.state.ended.keys() - self._said_steps):
            self._said_steps.add(number)
            if number:  # introductions have a line of their own
                self._say(self._step_line(number))

    def _step_line(self, number: int) -> Text:
        """``step  7/12  joint model, exchange 1    40 s  Harbour Heart: auroc 0.83``."""
        state = self.follower.state
        step, last = state.steps[number], state.planned - 1
        text = Text(f"step {number:>{len(str(last))}}/{last}  ")
        text.append(f"{title(step.action, step.round):<42}", "bold")
        text.append(f"{duration(state.running):>12}  ", "dim")
        who = listed(step.parties(state.parties, state.holder))
        return text.append(clean(reported(state, step) or who, 200), "dim")
