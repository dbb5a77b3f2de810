"""The live view as text for a terminal: the run's headline, a table of the nodes, the last notable lines in words.

Every row is one line whatever a node calls itself, so that 30 hospitals fit; columns go as the terminal gets narrower.

Not for: what a line means (``crossward.report.watch.state``) or following the file
(``crossward.report.watch.command``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from crossward.report.names import labels
from crossward.report.svg import clean, count, duration, size
from crossward.report.watch.row import ABSENT, EXCLUDED, LEFT, PAUSING, SPENT, WAITING, Row
from crossward.report.watch.state import REASON, WatchState

WIDTH = 160  # of plain text
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
    if not state.planned:
        return Text("the run has not begun")
    moment, silent = state.last if dead else state.moment(now), max(now - state.last, 0.0)
    said = [f"version {state.version} of {state.planned}"]
    if (pace := state.pace()) is not None:
        said.append(f"{duration(pace)} a version" if pace < 120 else f"{3600 / pace:.3g} versions an hour")
    said.append(f"elapsed {duration(state.elapsed(moment))}")
    if (left := state.to_go(moment)) is not None and not dead:
        form = "%H:%M:%S UTC" if _utc(moment + left)[:10] == _utc(moment)[:10] else "%Y-%m-%d %H:%M UTC"
        said.append(f"about {duration(left)} to the last version, at {_utc(moment + left, form)}")
    text = Text(", ".join(said))
    if state.finished is not None:
        text.append(f"; finished: {clean(state.finished, REASON)}", "green")
    elif dead:
        text.append(f"; died: nothing was written since {_utc(state.last)}, {duration(silent)} ago", "bold red")
    elif silent > LONG_QUIET:
        text.append(f"; nothing new for {duration(silent)}", "yellow")
    totals = []
    if state.heldout is not None:
        loss, version, whole = state.heldout
        totals.append(f"held-out loss {_number(loss)} at version {version}{'' if whole else ' (not all answered)'}")
    if state.epsilon is not None:
        totals.append(f"hospital epsilon {state.epsilon:.3g} of {state.planned_epsilon:.3g}")
    totals.append(count(state.accepted, "accepted update"))
    totals.append(f"{size(state.bytes_up)} up and {size(state.bytes_down)} down in all")
    text.append("\n" + ", ".join(totals) + "\n")
    failures = ", ".join(f"{found} {kind}" for kind, found in state.failures.most_common())
    text.append(f"failures: {failures}" if failures else "no failures", "yellow" if failures else "")
    return text


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
        _number(last.loss),
        "-" if last.epsilon is None else f"{last.epsilon:.3g}",
        brief(last.round_trip),
        size(last.bytes_up) if last.accepted else "-",
        size(last.bytes_down) if last.bytes_down else "-",
    )


def table(rows: Sequence[Row], newest: int, width: int = WIDTH, rounding: str = "") -> Table:
    """A line a hospital; ``newest`` is the newest version, ``width`` the terminal's in characters.

    With ``rounding`` the training losses are not exact, and are called what they are.
    """
    told = any(row.at_most is not None for row in rows)
    unit = next((row.updates.unit for row in rows if row.updates.unit), "")
    idle = {AT_MOST: not told, EPSILON: not unit}  # columns that would hold nothing
    shown = [i for i, (title, least) in enumerate(COLUMNS) if width >= least and not idle.get(title)]
    cells, titles = [_cells(row, newest) for row in rows], [COLUMNS[i][0] for i in shown]
    names = {EPSILON: f"{unit}\n{EPSILON}"} | ({TRAINED: REPORTED} if rounding else {})
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
    for row, said, label, found in zip(rows, states, labels([row.name for row in rows], name), cells, strict=True):
        drawn.add_row(Text(label), Text(said, STYLES.get(row.state, "")), *(found[i] for i in shown))
    return drawn


def note(name: str, line: Mapping[str, Any]) -> Text:
    """A notable line of the ledger in words."""
    event, version, reason = str(line["event"]), line.get("version"), clean(line.get("reason", ""), REASON)
    said = {
        "accepted": f"{name}: reported facts out of bounds were clamped: "
        f"{clean('; '.join(map(str, line.get('clamped', ()))), REASON)}",
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
