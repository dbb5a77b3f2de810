"""The report's figures of time: what every hospital was doing when, and what its time went into altogether.

Height tells the activities apart as much as colour does: computing fills a lane's bar, transfer is half as high, an
update that waits for its version is a low line, and nothing is drawn while a hospital is idle.

Not for: what the activities are (``crossward.report.activity``) or anything by version (``crossward.report.figures``).
"""

from __future__ import annotations

from collections.abc import Iterable

from crossward.protocol.messages import BEHIND, FAILED, LATE
from crossward.report.activity import (
    EVALUATING,
    IDLE,
    REFUSED,
    TRAINING,
    TRANSFER,
    WAITING,
    Interval,
    computing,
    intervals,
    kind,
    merged,
    shares,
)
from crossward.report.axes import FIGURE, NAMES, lane_height, lanes_named, legend
from crossward.report.history import LOST, UNDER_WAY, History, Span
from crossward.report.palette import ALERT, INK, MUTED, ink_on
from crossward.report.svg import Drawing, box, clean, dash, duration, number, scale, thinned, time_ticks

# colour, height as a part of the lane, what the legend says; drawn in this order
LOOKS = {
    WAITING: ("#b87800", 0.16, "update waits for its version"),
    TRANSFER: ("#7d94ae", 0.34, "transfer, queues (rest of the round trip)"),
    UNDER_WAY: ("#4695cb", 0.34, "under way"),
    TRAINING: ("#0b5394", 0.72, "training"),
    EVALUATING: ("#2f9e8f", 0.72, "evaluating, or training alone"),
    LATE: ("#6f3d00", 0.72, "late"),
    REFUSED: ("#8e2b6d", 0.72, "refused"),
    FAILED: (ALERT, 0.72, "failed"),
    BEHIND: ("#a8694b", 0.34, "behind (asked again)"),
    LOST: ("#8a94a0", 0.34, "lost when the server stopped"),
}
IDLES = ("#e9edf2", "idle, or disconnected")
_ONE_BY_ONE = 500  # so many tasks have a tooltip each; more share an element by activity
_FINEST = 0.3  # pixels of a gap that is still drawn when they share one
_LANES = 60
_LINES = 100  # so many versions are lines through all lanes; more are ticks above them


def _label(span: Span, history: History) -> str:
    text = f"{history.hospitals[span.hospital].name}: {span.kind} from version {span.version}, {span.outcome} after "
    text += duration(span.end - span.start)
    text += f", computing {duration(span.compute)}" if span.compute else ""
    return text + (f", then waited {duration(span.taken - span.end)}" if span.taken > span.end else "")


def _bars(pen: Drawing, history: History, lanes: int, top: float, row: float, right: float) -> None:
    x = scale(0, history.running, NAMES, right)
    each = len(history.spans) <= _ONE_BY_ONE
    found = [intervals(s for s in history.spans if s.hospital == lane) for lane in range(lanes)]

    def dashes(lane: int, those: Iterable[Interval], least: float) -> str:
        return "".join(dash(x(a), top + row * (lane + 0.5), max(x(b) - x(a), least)) for a, b in those)

    for what, (colour, part, says) in LOOKS.items():
        if each and what not in (WAITING, TRANSFER):
            for span in history.spans:
                if 0 <= span.hospital < lanes and kind(span) == what:
                    when = computing(span) if what in (TRAINING, EVALUATING) else (span.start, span.end)
                    pen.strokes(dashes(span.hospital, [when], 1.2), colour, row * part, _label(span, history))
            continue
        gap = _FINEST * history.running / (right - NAMES)
        d = "".join(dashes(lane, merged(mine.get(what, ()), gap), _FINEST) for lane, mine in enumerate(found))
        if d:
            pen.strokes(d, colour, row * part, says)


def _versions(pen: Drawing, history: History, top: float, bottom: float, right: float) -> None:
    x = scale(0, history.running, NAMES, right)
    many = len(history.versions)
    thick, gaps = (1.0, "3 2") if many <= 20 else (0.7, "2 3")
    named, free = set(thinned([made.number for made in history.versions], right - NAMES, 26)), NAMES
    for made in history.versions:
        colour, back = INK if made.reverts is None else ALERT, made.reverts is not None
        if many <= _LINES or back:
            pen.line(x(made.at), top - 4, x(made.at), bottom, colour, thick, gaps)
        half = 3.6 + 3.6 * len(str(made.number))
        if (made.number in named or back) and x(made.at) - half >= free:
            pen.text(min(x(made.at), FIGURE - half), top - 8, f"v{made.number}", "middle", colour, 11, bold=True)
            free = x(made.at) + half + 4
    if many > _LINES:
        ticks = "".join(f"M{number(x(made.at))} {number(top - 5)}v5" for made in history.versions)
        pen.strokes(ticks, INK, 0.5, "versions")
    for moment in history.sessions[1:]:
        pen.line(x(moment), top - 20, x(moment), bottom, ALERT, 2)
        after = x(moment) < right - 60
        pen.text(x(moment) + (4 if after else -4), top - 23, "resumed", "start" if after else "end", ALERT, 11)


def timeline_figure(history: History) -> str:
    """Every task of every hospital over the time that the server ran."""
    lanes = min(len(history.hospitals), _LANES)
    if not history.spans or not history.running > 0:
        return ""
    right, top, row = FIGURE - 18.0, 42.0, lane_height(lanes) * (1.25 if lanes <= 6 else 1.0)
    bottom = top + row * lanes
    pen = Drawing(FIGURE, 0, "tasks of every hospital over time")
    x = scale(0, history.running, NAMES, right)
    for tick in time_ticks(history.running):
        pen.line(x(tick), top, x(tick), bottom)
        pen.text(min(x(tick), FIGURE - 24), bottom + 17, duration(tick), "middle", MUTED, 11)
    lanes_named(pen, history.hospitals[:lanes], top, row, right)
    _bars(pen, history, lanes, top, row, right)
    _versions(pen, history, top, bottom, right)
    shown = {what for lane in range(lanes) for what in intervals(s for s in history.spans if s.hospital == lane)}
    if left_out := len(history.hospitals) - lanes:
        pen.text(10, bottom + 44, clean(f"and {left_out} more hospitals"), colour=MUTED)
    order = (TRAINING, EVALUATING, TRANSFER, WAITING, UNDER_WAY, LATE, REFUSED, FAILED, BEHIND, LOST)
    pen.height = legend(pen, [LOOKS[what] for what in order if what in shown], bottom + 44)
    pen.height -= 10
    return pen.markup()


def shares_figure(history: History) -> str:
    """For every hospital the parts of the running time that it computed, transferred, waited and was idle."""
    lanes = min(len(history.hospitals), _LANES)
    if not history.spans or not history.running > 0:
        return ""
    spent = shares(history)[:lanes]
    right, top, row = FIGURE - 18.0, 12.0, lane_height(lanes)
    bottom = top + row * lanes
    pen = Drawing(FIGURE, 0, "how every hospital spent its time")
    lanes_named(pen, history.hospitals[:lanes], top, row, right)
    order = (TRAINING, EVALUATING, TRANSFER, WAITING, UNDER_WAY, LATE, REFUSED, FAILED, BEHIND, LOST, IDLE)
    colours = {what: LOOKS[what][0] for what in LOOKS} | {IDLE: IDLES[0]}
    says = {what: LOOKS[what][2] for what in LOOKS} | {IDLE: IDLES[1]}
    edges = [NAMES] * lanes
    for what in order:
        d = ""
        for lane, parts in enumerate(spent):
            if wide := parts.get(what, 0.0) * (right - NAMES):
                d += box(edges[lane], top + row * (lane + 0.14), wide, row * 0.72)
                edges[lane] += wide
        if d:
            pen.path(d, colours[what], title=says[what], stroke="#fff")
    edges = [NAMES] * lanes
    for what in order:
        for lane, parts in enumerate(spent):
            wide = parts.get(what, 0.0) * (right - NAMES)
            if wide >= 42:
                text = f"{100 * parts[what]:.0f} %"
                middle = top + row * (lane + 0.5) + 4
                pen.text(edges[lane] + wide / 2, middle, text, "middle", ink_on(colours[what]), 11, bold=True)
            edges[lane] += wide
    for share in range(0, 101, 25):
        place = NAMES + (right - NAMES) * share / 100
        pen.text(min(place, FIGURE - 20), bottom + 17, f"{share} %", "middle", MUTED, 11)
    shown = {what for parts in spent for what, part in parts.items() if part > 0}
    pen.height = legend(pen, [(colours[what], 0.72, says[what]) for what in order if what in shown], bottom + 44) - 10
    return pen.markup()
