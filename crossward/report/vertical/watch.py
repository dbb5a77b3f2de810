"""What every party of a vertical run is doing now, in a terminal, drawn from the run folder's ledger and nothing else.

Names and reasons come from parties: they are shown as text on one line, whatever they hold.

Not for: following the file (``crossward.report.watch.follow``), a whole run in figures
(``crossward.report.vertical.page``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError
from crossward.config.vertical_settings import VerticalSettings
from crossward.ledger.events import Event
from crossward.report.names import labels
from crossward.report.svg import clean, duration, size
from crossward.report.vertical.history import DONE, UNDER_WAY, Span, Trouble, VerticalHistory
from crossward.report.vertical.troubles import SAYS
from crossward.report.vertical.words import doing, listed, reason_line, title
from crossward.report.watch.follow import NOTES, WIDTH, LedgerFollower
from crossward.report.watch.view import LONG_QUIET, brief
from server_app.run_folder import RunFolderError, read_config

AWAY, FINISHED, IDLE = "disconnected", "done", "idle"
STYLES = {AWAY: "dim", FINISHED: "green"}
_NAME, _STATE = 28, 62  # most characters
_SPACIOUS = 110  # from this width on bytes are shown


class Row(NamedTuple):
    """A party: ``seconds`` in its state; ``last`` is the newest step that it did."""

    name: str
    state: str
    seconds: float
    last: str
    failures: int
    sent: int
    received: int


class VerticalFollower(LedgerFollower[VerticalHistory]):
    """Follows a vertical run; raises as :class:`~crossward.report.watch.follow.LedgerFollower` does."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.time,
        seen: Callable[[int, Event], None] | None = None,
    ) -> None:
        self.folder = folder
        super().__init__(folder, clock, seen)

    def fresh(self) -> VerticalHistory:
        """The state of a run without events, whose folder need not be there yet."""
        return VerticalHistory(settings_in(self.folder))

    def read(self) -> None:
        """Take in the whole lines that were added; the run's settings are there with the first."""
        if self.state.settings is None:
            self.state.settings = settings_in(self.folder)
        super().read()

    def draw(self, width: int = WIDTH, room: int = 0) -> RenderableType:
        """The view now, ``width`` characters wide, with at most ``room`` parties (default: all)."""
        now, state = self.clock(), self.state
        found = rows(state, state.last if self.dead else now)
        shown = found[:room] if room else found
        parts: list[RenderableType] = [headline(state, now, self.dead), table(shown, width)]
        if len(found) > len(shown):
            parts.append(Text(f"and {len(found) - len(shown)} more"))
        parts += [Text(""), *(note(state, trouble) for trouble in state.troubles[-NOTES:])]
        return Group(*parts)


def settings_in(folder: Path) -> VerticalSettings | None:
    """The settings of the run in ``folder``; of one whose settings cannot be read no step is known ahead."""
    try:
        return RunConfig.stored(read_config(folder)["config"]).vertical
    except (RunFolderError, SettingsError):
        return None


def headline(history: VerticalHistory, now: float, dead: bool = False) -> Text:
    """The lines above the table; ``now`` is by the clock, also of a run that is dead."""
    if not history.planned:
        return Text("the run has not begun")
    silent = max(now - history.last, 0.0)
    moment = history.last if dead or history.finished is not None else max(now, history.last)
    text = Text(f"step {history.current} of {history.planned - 1}{_current(history)}, ")
    text.append(f"elapsed {duration(history.at(moment))}")
    if history.finished is not None:
        text.append(f"; finished: {clean(history.finished, 200)}", "green")
    elif dead:
        text.append(
            f"; died: nothing was written since {_utc(history.last, '%Y-%m-%d %H:%M:%S UTC')}, {duration(silent)} ago; "
            "resume it with run.resume",
            "bold red",
        )
    elif silent > LONG_QUIET:
        text.append(f"; nothing new for {duration(silent)}", "yellow")
    sent = sum(found.bytes for found in history.sent.values())
    text.append(f"\n{history.state.messages} messages, {size(sent)} of sealed envelopes\n")
    failures = len(history.troubles)
    text.append(
        f"failures and absences: {failures}" if failures else "no failures, no party was away",
        "yellow" if failures else "",
    )
    return text


def _current(history: VerticalHistory) -> str:
    """``: joint model, exchange 1, waits for Millbrook``."""
    if history.current >= len(history.steps):
        return ""
    step = history.steps[history.current]
    waiting = listed(history.missing(step.number)) if history.finished is None else ""
    return f": {title(step.action, step.round)}" + (f", waits for {waiting}" if waiting else "")


def rows(history: VerticalHistory, now: float) -> list[Row]:
    """Every party in the order of the ring; nodes where they have not introduced themselves."""
    moment = history.running if history.finished is not None else max(history.at(now), history.running)
    if history.parties:
        return [_row(history, party, moment) for party in history.parties]
    return [
        Row(f"node …{node[-4:]}", "introduces itself", max(moment - since, 0.0), "-", 0, 0, 0)
        for node, since in history.present.items()
    ]


def _row(history: VerticalHistory, party: str, moment: float) -> Row:
    mine = [span for span in history.spans if span.party == party]
    done = [span for span in mine if span.outcome == DONE]
    state, since = _state(history, party, mine)
    failures = sum(trouble.party == party for trouble in history.troubles)
    sent, received = sum(span.sent for span in mine), sum(span.received for span in mine)
    last = f"{done[-1].step}, {title(done[-1].action, done[-1].round)}" if done else "-"
    return Row(party, state, max(moment - since, 0.0), last, failures, sent, received)


def _state(history: VerticalHistory, party: str, mine: list[Span]) -> tuple[str, float]:
    """What a party does and since when, in running time."""
    newest = mine[-1] if mine else None
    ended = newest.end if newest is not None else 0.0
    if history.finished is not None:
        return FINISHED, ended
    if newest is not None and newest.outcome == UNDER_WAY:
        return doing(newest.action, newest.round), newest.start
    connected = {owner for node, owner in history.owners.items() if node in history.present}
    own = [trouble for trouble in history.troubles if trouble.party == party]
    if party not in connected and own and own[-1].what == "left":
        return AWAY, own[-1].at
    if newest is not None and newest.outcome != DONE and own:
        return f"{SAYS.get(own[-1].what, own[-1].what)}: {reason_line(own[-1].reason)}", own[-1].at
    others = [name for name in history.missing(history.current) if name != party]
    return (f"waits for {listed(others)}" if others else IDLE), ended


def table(found: list[Row], width: int = WIDTH) -> Table:
    """A line a party; ``width`` is the terminal's in characters: what it has room for is cut, and bytes go first."""
    wide = width >= _SPACIOUS
    names = [clean(row.name) for row in found]
    states, last = [clean(row.state, _STATE) for row in found], [clean(row.last) for row in found]
    numbers = [(brief(row.seconds), str(row.failures or "-"), size(row.sent), size(row.received)) for row in found]
    headings = ("since", "failures", "sent", "received")[: 4 if wide else 2]
    taken = sum(max(len(heading), *(len(row[i]) for row in numbers), 0) + 2 for i, heading in enumerate(headings))
    room = max(width - taken - 6, 30)
    name = min(max([5, *map(cell_len, names)]), _NAME, room // 3)
    state = min(max([5, *map(cell_len, states)]), (room - name) * 3 // 5)
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    drawn.add_column("party", no_wrap=True, width=name)
    drawn.add_column("state", no_wrap=True, overflow="ellipsis", width=state)
    drawn.add_column("since", justify="right", no_wrap=True)
    drawn.add_column("last step", no_wrap=True, overflow="ellipsis", max_width=room - name - state)
    for heading in headings[1:]:
        drawn.add_column(heading, justify="right", no_wrap=True)
    for row, label, doing_now, did_last, figures in zip(found, labels(names, name), states, last, numbers, strict=True):
        since, *others = figures[: len(headings)]
        drawn.add_row(Text(label), Text(doing_now, STYLES.get(row.state, "")), since, Text(did_last), *others)
    return drawn


def note(history: VerticalHistory, trouble: Trouble) -> Text:
    """A failure or absence in words."""
    what = SAYS.get(trouble.what, trouble.what)
    step = f" (step {trouble.step})" if trouble.step >= 0 else ""
    reason = f": {reason_line(trouble.reason)}" if trouble.reason else ""
    line = clean(f"after {duration(trouble.at)}: {trouble.party} {what}{step}{reason}", 300)
    return Text(line, "dim", overflow="ellipsis", no_wrap=True)


def _utc(seconds: float, form: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(form)
