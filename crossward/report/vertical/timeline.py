"""The figure of what every party did when, and when it waited for others: a lane a party.

Not for: tasks of hospitals (``crossward.report.timeline``), what is drawn (``crossward.report.vertical.history``).
"""

from __future__ import annotations

from crossward.protocol.vertical.messages import FAILED, MALFORMED, REFUSED
from crossward.report.axes import FIGURE, NAMES, lane_height, lanes_named, legend
from crossward.report.lanes import ROOM, Lane
from crossward.report.names import labels
from crossward.report.palette import ALERT, INK, MUTED, colours
from crossward.report.svg import Drawing, clean, dash, duration, scale, time_ticks
from crossward.report.vertical.history import DONE, LOST, UNDER_WAY, Span, VerticalHistory
from crossward.report.vertical.waiting import Wait, waits
from crossward.report.vertical.words import listed, title

WORKING, SENDING, WAITING, AWAY = "working", "sending", "waiting", "away"
# colour, height as a part of the lane, what the legend says; drawn in this order
LOOKS = {
    WAITING: ("#b87800", 0.16, "waits for another party"),
    AWAY: ("#c9d1da", 0.16, "disconnected"),
    SENDING: ("#7d94ae", 0.34, "transfer, queues (rest of the round trip)"),
    UNDER_WAY: ("#4695cb", 0.34, "under way"),
    WORKING: ("#0b5394", 0.72, "computing"),
    REFUSED: ("#8e2b6d", 0.72, "refused"),
    FAILED: (ALERT, 0.72, "failed"),
    MALFORMED: ("#6f3d00", 0.72, "answered something else"),
    LOST: ("#8a94a0", 0.34, "lost: disconnected, or the server stopped"),
}
_LANES = 60
_LEAST = 1.2  # pixels of a bar


def lanes_of(history: VerticalHistory) -> list[Lane]:
    """The parties in the order of the ring, in their colours."""
    names = [clean(name, 80) for name in history.parties]
    return [Lane(*row) for row in zip(names, labels(names, ROOM), colours(len(names)), strict=True)]


def timeline_figure(history: VerticalHistory) -> str:
    """Every step of every party over the time that the server ran; empty before the parties have met."""
    lanes = lanes_of(history)[:_LANES]
    if not lanes or not history.running > 0:
        return ""
    right, top, row = FIGURE - 18.0, 42.0, lane_height(len(lanes)) * (1.25 if len(lanes) <= 6 else 1.0)
    bottom = top + row * len(lanes)
    pen = Drawing(FIGURE, 0, "steps of every party over time")
    x = scale(0, history.running, NAMES, right)
    for tick in time_ticks(history.running):
        pen.line(x(tick), top, x(tick), bottom)
        pen.text(min(x(tick), FIGURE - 24), bottom + 17, duration(tick), "middle", MUTED, 11)
    lanes_named(pen, lanes, top, row, right)
    found, shown = waits(history), set[str]()
    for lane, party in enumerate(history.parties[: len(lanes)]):
        mine = [wait for wait in found if wait.party == party]
        shown |= _lane(pen, history, party, mine, top + row * (lane + 0.5), row)
    _steps(pen, history, top, bottom, right)
    pen.height = legend(pen, [LOOKS[what] for what in LOOKS if what in shown], bottom + 44) - 10
    return pen.markup()


def _lane(
    pen: Drawing, history: VerticalHistory, party: str, waited: list[Wait], middle: float, row: float
) -> set[str]:
    """Draw a party's bars; what was drawn."""
    x = scale(0, history.running, NAMES, FIGURE - 18.0)
    bars: list[tuple[str, float, float, str]] = []
    for wait in waited:
        says = "disconnected" if wait.away else f"waits for {listed(sorted(wait.others)) or 'the server'}"
        bars.append((AWAY if wait.away else WAITING, wait.start, wait.end, f"{says}, {duration(wait.seconds)}"))
    for span in history.spans:
        if span.party == party:
            bars += _bars(span)
    for what, (colour, part, _) in LOOKS.items():
        for look, start, end, says in bars:
            if look == what:
                line = dash(x(start), middle, max(x(end) - x(start), _LEAST))
                pen.strokes(line, colour, row * part, f"{party}: {says}")
    return {look for look, *_ in bars}


def _bars(span: Span) -> list[tuple[str, float, float, str]]:
    """A step's computing, in the middle of its round trip for want of better knowledge, or what else became of it."""
    says = f"step {span.step}, {title(span.action, span.round)}, {span.outcome} after {duration(span.end - span.start)}"
    if span.outcome != DONE:
        return [(span.outcome if span.outcome in LOOKS else FAILED, span.start, span.end, says)]
    if not span.worked:
        return [(SENDING, span.start, span.end, says)]
    rest = (span.end - span.start - span.worked) / 2
    says += f", computing {duration(span.worked)}"
    return [
        (SENDING, span.start, span.start + rest, says),
        (SENDING, span.end - rest, span.end, says),
        (WORKING, span.start + rest, span.end - rest, says),
    ]


def _steps(pen: Drawing, history: VerticalHistory, top: float, bottom: float, right: float) -> None:
    """A line where each step was done by all, and marks where the server was restarted."""
    x, free = scale(0, history.running, NAMES, right), NAMES - 20
    for number, at in sorted(history.ended.items()):
        pen.line(x(at), top - 4, x(at), bottom, INK, 0.7, "2 3")
        half = 2.0 + 3.6 * len(str(number))
        if x(at) - half >= free:
            pen.text(
                min(x(at), FIGURE - half), top - 8, number, "middle", INK, 11, bold=True, whole=_title(history, number)
            )
            free = x(at) + half + 4
    for moment in history.sessions[1:]:
        pen.line(x(moment), top - 20, x(moment), bottom, ALERT, 2)
        after = x(moment) < right - 60
        pen.text(x(moment) + (4 if after else -4), top - 23, "resumed", "start" if after else "end", ALERT, 11)


def _title(history: VerticalHistory, number: int) -> str:
    step = history.steps[number]
    return f"step {number}, {title(step.action, step.round)}, done by all"
