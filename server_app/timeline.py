"""The report's timeline: a lane a hospital, a bar a task from dispatch to outcome, a vertical line a version.

A bar's full colour is the time that the hospital says it computed, its pale rest transfer and waiting. Where in the bar
the computing lay is not known; it is drawn in the middle.

Not for: anything by version (``server_app.figures``).
"""

from __future__ import annotations

from server_app.figures import ALERT, lane_height
from server_app.history import LOST, MEASURED, UNDER_WAY, History, Span
from server_app.svg import GRID, INK, MUTED, Drawing, box, clean, duration, scale, time_ticks

REFUSED = "refused"
COLOURS = {
    "accepted": "#2c8f6b",
    MEASURED: "#6a6fc4",
    "late": "#dd9a1a",
    REFUSED: "#8e2b6d",
    "failed": ALERT,
    "behind": "#c77b58",
    LOST: "#97a1ac",
    UNDER_WAY: "#55b0d4",
}
SAYS = {
    MEASURED: "measured (evaluation, training alone)",
    "behind": "behind (asked again)",
    LOST: "lost when the server stopped",
}
_PALE, _SAID = 0.35, ("accepted", MEASURED, UNDER_WAY)
_UNTOLD = 0.65  # nobody told how long was computed
_ONE_BY_ONE = 500  # so many bars have a tooltip each; more share an element by colour
_LANES = 60


def _shade(span: Span) -> str:
    return span.outcome if span.outcome in COLOURS else REFUSED


def _merged(spans: list[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    """Intervals with those closer than ``gap`` made one: a pixel holds no more."""
    out: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if out and start - out[-1][1] < gap:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def _computing(span: Span) -> tuple[float, float]:
    rest = (span.end - span.start - span.compute) / 2
    return span.start + rest, span.end - rest


def _bars(pen: Drawing, history: History, lanes: int, top: float, row: float, left: float, right: float) -> None:
    x = scale(0, history.running, left, right)
    each = len(history.spans) <= _ONE_BY_ONE
    gap = 0.0 if each else 0.6 * history.running / (right - left)
    for shade, colour in COLOURS.items():
        pale = _PALE if shade in _SAID else _UNTOLD
        d = {pale: "", 1.0: ""}
        for lane in range(lanes):
            mine = [s for s in history.spans if s.hospital == lane and _shade(s) == shade]
            y, tall = top + row * lane + row * 0.16, row * 0.68
            for span in mine if each else ():
                full = box(x(span.start), y, max(x(span.end) - x(span.start), 1.5), tall)
                title = (
                    f"{history.hospitals[lane].name}: {span.kind} from version {span.version}, {span.outcome} after "
                    f"{duration(span.end - span.start)}"
                    + (f", computing {duration(span.compute)}" if span.compute else "")
                )
                pen.path(full, colour, pale, title, stroke=colour)
                if span.compute:
                    a, b = _computing(span)
                    pen.path(box(x(a), y, max(x(b) - x(a), 1), tall), colour, title=title)
            if not each:
                whole = [(s.start, s.end) for s in mine]
                for opacity, spans in ((pale, whole), (1.0, [_computing(s) for s in mine if s.compute])):
                    places = ((x(a), max(x(b) - x(a), 0.8)) for a, b in _merged(spans, gap))
                    d[opacity] += "".join(box(start, y, wide, tall) for start, wide in places)
        for opacity, path in d.items():
            if path:
                pen.path(path, colour, opacity, shade)


def _versions(pen: Drawing, history: History, top: float, bottom: float, left: float, right: float) -> None:
    x = scale(0, history.running, left, right)
    many = len(history.versions)
    thick, dash = (1.2, "3 2") if many <= 20 else (0.8, "2 3") if many <= 60 else (0.4, "")
    free = left
    for made in history.versions:
        colour = INK if made.reverts is None else ALERT
        pen.line(x(made.at), top - 4, x(made.at), bottom, colour, thick, dash)
        if x(made.at) >= free:
            pen.text(x(made.at), top - 8, f"v{made.number}", "middle", colour, 11, bold=True)
            free = x(made.at) + 12 + 7 * len(str(made.number))
    for moment in history.sittings[1:]:
        pen.line(x(moment), top - 20, x(moment), bottom, COLOURS["failed"], 2)
        pen.text(x(moment) + 4, top - 21, "resumed", colour=COLOURS["failed"], size=11)


def timeline_figure(history: History, width: float = 1120) -> str:
    """Every task of every hospital over the time that the server ran."""
    lanes = min(len(history.hospitals), _LANES)
    if not history.spans or not history.running > 0:
        return ""
    left, right, top, row = 226.0, width - 18.0, 40.0, lane_height(lanes)
    bottom = top + row * lanes
    pen = Drawing(width, bottom + 74, "tasks of every hospital over time")
    x = scale(0, history.running, left, right)
    for tick in time_ticks(history.running):
        pen.line(x(tick), top, x(tick), bottom)
        pen.text(x(tick), bottom + 17, duration(tick), "middle", MUTED, 11)
    for lane in range(lanes):
        pen.line(8, top + row * (lane + 1), right, top + row * (lane + 1), GRID)
        pen.swatch(10, top + row * (lane + 0.5) + 4, history.hospitals[lane].colour)
        pen.text(26, top + row * (lane + 0.5) + 4, history.hospitals[lane].name, limit=29)
    _bars(pen, history, lanes, top, row, left, right)
    _versions(pen, history, top, bottom, left, right)
    place = left
    shown = {_shade(span) for span in history.spans}
    for shade, colour in COLOURS.items():
        if shade in shown:
            pen.swatch(place, bottom + 42, colour)
            pen.text(place + 15, bottom + 42, SAYS.get(shade, shade))
            place += 40 + 6.4 * len(SAYS.get(shade, shade))
    pen.swatch(left, bottom + 64, MUTED)
    pen.text(
        left + 15, bottom + 64, "full colour: computing, as the hospital reports (placed in the middle)", colour=MUTED
    )
    pen.swatch(left + 430, bottom + 64, MUTED, opacity=_PALE)
    pen.text(left + 445, bottom + 64, "pale: transfer and waiting", colour=MUTED)
    if left_out := len(history.hospitals) - lanes:
        pen.text(10, bottom + 42, clean(f"and {left_out} more hospitals"), colour=MUTED)
    return pen.markup()
