"""The live view as text for a terminal: the run's headline, a table of the nodes, the last notable lines in words.

Every row is one line whatever a node calls itself, so that 30 hospitals fit; columns go as the terminal gets narrower.

Not for: what a line means (``crossward.report.watch.state``) or following the file
(``crossward.report.watch.follow``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from crossward.ledger import events
from crossward.ledger.events import Event
from crossward.ledger.explain import committee_text
from crossward.report.names import labels
from crossward.report.svg import clean, count, duration, size
from crossward.report.watch.follow import WIDTH
from crossward.report.watch.row import ABSENT, EXCLUDED, LEFT, PAUSING, SPENT, WAITING, Row
from crossward.report.watch.state import REASON, WatchState

LONG_QUIET = 60.0  # seconds without a line after which the view says so
SPACIOUS = 120  # from this width on columns stand two apart
LEGIBLE = 18  # characters that a hospital's name, or its state, is given before columns go
STYLES = {PAUSING: "yellow", WAITING: "cyan", SPENT: "yellow", LEFT: "dim", ABSENT: "dim", EXCLUDED: "red"}
AT_MOST = "of at\nmost"
HELDOUT, TRAINED, REPORTED = "held-out\nloss", "training\nloss", "reported\nloss"
EPSILON = "epsilon"  # with the unit that it protects above it
# (title, narrowest terminal that shows the column)
COLUMNS = (
    ("since", 0),
    (AT_MOST, 120),
    ("version", 0),
    ("behind", 0),
    ("updates", 0),
    ("steps", 140),
    ("tokens/s", 140),
    (HELDOUT, 0),
    (TRAINED, 112),
    (EPSILON, 0),
    ("round\ntrip", 96),
    ("bytes\nup", 88),
    ("bytes\ndown", 88),
)


def _number(value: float | None) -> str:
    """Four digits; whole from 1000 to ten millions."""
    if value is None:
        return "-"
    return f"{value:.0f}" if 1e3 <= value < 1e7 else f"{value:#.4g}"


def brief(seconds: float | None) -> str:
    """A duration in one unit and at most six characters."""
    if seconds is None:
        return "-"
    for unit, length in (("s", 1.0), ("min", 60.0), ("h", 3600.0)):
        if (value := seconds / length) < 99.5:
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def _utc(seconds: float, form: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


def headline(state: WatchState, now: float, dead: bool = False) -> Text:
    """The lines above the table; ``now`` is by the clock, also of a run that is dead."""
    run = state.run
    if not run.planned:
        return Text("the run has not begun")
    moment, silent = state.last if dead else state.moment(now), max(now - state.last, 0.0)
    facts = [f"version {run.version} of {run.planned}"]
    if (pace := state.pace()) is not None:
        facts.append(f"{duration(pace)} a version" if pace < 120 else f"{3600 / pace:.3g} versions an hour")
    facts += [run.opening_text] if run.opening_text and run.finished is None else []
    facts.append(f"elapsed {duration(state.elapsed(moment))}")
    if (left := state.to_go(moment)) is not None and not dead:
        form = "%H:%M:%S UTC" if _utc(moment + left)[:10] == _utc(moment)[:10] else "%Y-%m-%d %H:%M UTC"
        facts.append(f"about {duration(left)} to the last version, at {_utc(moment + left, form)}")
    text = Text(", ".join(facts))
    if run.finished is not None:
        text.append(f"; finished: {clean(run.finished, REASON)}", "green")
    elif dead:
        text.append(f"; died: nothing was written since {_utc(state.last)}, {duration(silent)} ago", "bold red")
    elif silent > LONG_QUIET:
        text.append(f"; nothing new for {duration(silent)}", "yellow")
    text.append(f"\n{_totals(state)}\n")
    failures = ", ".join(f"{found} {kind}" for kind, found in state.failures.most_common())
    text.append(f"failures: {failures}" if failures else "no failures", "yellow" if failures else "")
    return text


def _totals(state: WatchState) -> str:
    run, totals = state.run, list[str]()
    if (found := run.heldout) is not None:
        whole = "" if found.complete else " (not all answered)"
        totals.append(f"held-out loss {_number(found.loss)} at version {found.version}{whole}")
    if (estimate := state.estimate) is not None:
        totals.append(f"estimated held-out loss {estimate.loss:.2f} ± {estimate.noise:.2f} at {estimate.version}")
    if run.promise is not None:
        totals.append(f"hospital epsilon {run.epsilon:.3g} of {run.promise.epsilon:.3g}")
    totals.append(count(state.accepted, "accepted update"))
    totals.append(f"{size(state.bytes_up)} up and {size(state.bytes_down)} down in all")
    if (took := state.latency()) is not None:
        totals.append(f"opening {took}")
    return ", ".join(totals)


def _cells(row: Row, newest: int) -> tuple[str, ...]:
    last = row.updates
    return (
        brief(row.seconds),
        "-" if row.at_most is None else brief(row.at_most),
        "-" if row.version is None else str(row.version),
        "-" if row.version is None else str(max(newest - row.version, 0)),
        str(last.accepted),
        "-" if last.steps is None else str(last.steps),
        _number(last.tokens_per_second),
        _number(last.heldout),
        f"{last.loss:.2f} ±{last.noise:.2f}" if last.loss is not None and last.noise else _number(last.loss),
        "-" if last.epsilon is None else f"{last.epsilon:.3g}",
        brief(last.round_trip),
        size(last.bytes_up) if last.bytes_up else "-",
        size(last.bytes_down) if last.bytes_down else "-",
    )


def table(rows: Sequence[Row], newest: int, width: int = WIDTH, rounding: str = "") -> Table:
    """A line a hospital; ``newest`` is the newest version, ``width`` the terminal's in characters.

    With ``rounding``, or noise, the losses that updates came with are not exact, and are called what they are.
    """
    bounded = any(row.at_most is not None for row in rows)
    unit = next((row.updates.unit for row in rows if row.updates.unit), "")
    idle = {AT_MOST: not bounded, EPSILON: not unit}  # columns that would hold nothing
    shown = [i for i, (title, least) in enumerate(COLUMNS) if width >= least and not idle.get(title)]
    cells, titles = [_cells(row, newest) for row in rows], [COLUMNS[i][0] for i in shown]
    reported = rounding or any(row.updates.noise for row in rows)
    names = {EPSILON: f"{unit}\n{EPSILON}"} | ({TRAINED: REPORTED} if reported else {})
    titles = [names.get(title, title) for title in titles]
    states = [clean(f"{row.state}: {row.detail}" if row.detail else row.state, 62) for row in rows]
    gap = 2 if width >= SPACIOUS else 1
    widths = [
        max([*map(len, title.split("\n")), *(len(row[i]) for row in cells)])
        for i, title in zip(shown, titles, strict=True)
    ]
    room = max(width - sum(widths) - gap * (len(widths) + 1), 2 * LEGIBLE)  # for hospital and state
    longest = max([len("hospital"), *(cell_len(row.name) for row in rows)])
    state = min(max([len("state"), *map(cell_len, states)]), room - min(longest, LEGIBLE))
    name = min(longest, room - state)
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, gap - 1, 0, 0))
    drawn.add_column("hospital", no_wrap=True, width=name)
    drawn.add_column("state", no_wrap=True, overflow="ellipsis", width=state)
    for title in titles:
        drawn.add_column(title, justify="right", no_wrap=True)
    for row, facts, label, found in zip(rows, states, labels([row.name for row in rows], name), cells, strict=True):
        drawn.add_row(Text(label), Text(facts, STYLES.get(row.state, "")), *(found[i] for i in shown))
    return drawn


def note(name: str, event: Event) -> Text:
    """A notable event in words."""
    return Text(f"{_utc(event.time, '%H:%M:%S')}  {_message(name, event)}", "dim", overflow="ellipsis", no_wrap=True)


def _message(name: str, event: Event) -> str:  # noqa: C901 - one branch an event
    if text := committee_text(event):
        return clean(text, REASON)
    match event:
        case events.Accepted():
            return f"{name}: reported facts out of bounds were clamped: {clean('; '.join(event.clamped), REASON)}"
        case events.Evaluated():
            return f"held-out loss {_number(event.loss)} at version {event.version}"
        case events.Version():
            return f"version {event.version} subtracts version {event.reverts}"
        case events.Discarded():
            return f"version {event.version} opens at no node and is discarded: {clean(event.reason, REASON)}"
        case events.Excluded():
            return f"{name}: excluded, as it contributed to every version that did not open"
        case events.Disagreement():
            disagreeing = clean(", ".join(event.hospitals), REASON)
            return f"{disagreeing} holds another state of version {event.version} than the others"
        case events.SnapshotDropped():
            return f"the snapshot was dropped: {clean(event.reason, REASON)}"
        case events.Repaired():
            return f"{event.torn_bytes} bytes of a torn last line were set aside"
        case events.Resumed():
            return f"resumed at version {event.version}"
    reason = clean(getattr(event, "reason", ""), REASON)
    return f"{name}: {event.name}{f': {reason}' if reason else ''}"
