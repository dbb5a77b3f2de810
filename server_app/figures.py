"""The report's figures by version and by hospital: losses, perplexities, weights, staleness, bytes.

A hospital has one colour in all of them. Each takes a :class:`~server_app.history.History` and returns an SVG
element, or nothing where there is nothing to draw.

Not for: time (``server_app.timeline``) or tables (``server_app.report``).
"""

from __future__ import annotations

import math

from protocol.measures import Measure
from server_app.history import History, total
from server_app.svg import INK, MUTED, Drawing, box, clean, log_ticks, scale, short, size, spread, thinned, ticks

ALERT = "#c0392b"
MODELS = {
    "base": ("untuned base", "#9aa5b1"),
    "own": ("own adapter, trained alone", "#e0a030"),
    "global": ("global adapter", "#1f4e8c"),
}
_STALE = ((222, 235, 247), (8, 48, 107))


def lane_height(count: int) -> float:
    """Pixels a lane, so that 4 hospitals fill a figure and 30 still fit on a page."""
    return 28.0 if count <= 6 else 22.0 if count <= 14 else 17.0


def _y_axis(pen: Drawing, low: float, high: float, top: float, bottom: float, left: float, right: float) -> None:
    y = scale(low, high, bottom, top)
    for tick in ticks(low, high):
        pen.line(left, y(tick), right, y(tick))
        pen.text(left - 8, y(tick) + 4, f"{tick:.4g}", "end", MUTED)


def loss_figure(history: History, width: float = 1120) -> str:
    """Loss by version: held-out over all (thick) and by hospital (thin), and the train loss (dashed)."""
    heldout = dict((v, (loss, whole)) for v, loss, whole in history.heldout)
    train = [(m.number, m.train_loss) for m in history.versions if m.train_loss is not None]
    homes = {lane: sorted(points.items()) for lane, points in sorted(history.by_hospital.items())}
    values = [loss for loss, _ in heldout.values()] + [v for _, v in train] + [v for p in homes.values() for _, v in p]
    if not values:
        return ""
    labels = len(homes) + bool(heldout) + bool(train)
    left, right, top = 58.0, width - 268.0, 16.0
    bottom = max(330.0, 15.0 * labels + 24.0)
    pen = Drawing(width, bottom + 46, "loss by version")
    pad = 0.06 * ((max(values) - min(values)) or max(abs(values[0]), 1.0))
    low, high = min(values) - pad, max(values) + pad
    newest = max([history.last, *heldout, *(v for p in homes.values() for v, _ in p), 1])
    x, y = scale(0, newest, left + 8, right), scale(low, high, bottom, top)
    _y_axis(pen, low, high, top, bottom, left, right)
    for v in thinned(range(newest + 1), right - left, 34):
        pen.text(x(v), bottom + 18, v, "middle", MUTED)
    pen.text((left + right) / 2, bottom + 38, "version (0 = untuned base)", "middle", MUTED)
    pen.text(left - 8, top - 4, "nats per token", "end" if left > 90 else "middle", MUTED, 11)
    for made in history.versions:
        if made.reverts is not None:
            pen.line(x(made.number), top, x(made.number), bottom, ALERT, 1, "2 3")
    ends: list[tuple[float, float, str, str, bool]] = []

    def series(points: list[tuple[int, float]], name: str, colour: str, thick: float, dash: str = "") -> None:
        if len(points) > 1:
            pen.polyline([(x(v), y(loss)) for v, loss in points], colour, thick, dash)
        for v, loss in points if not dash or len(points) == 1 else ():
            whole = name != "all hospitals" or heldout[v][1]
            fill, edge = (colour, "#fff") if whole else ("#fff", colour)
            pen.circle(x(v), y(loss), 1.6 + thick, fill, edge, f"{name}, version {v}: {loss:.4g}")
        if points:
            ends.append(
                (x(points[-1][0]), y(points[-1][1]), f"{clean(name, 28)}  {points[-1][1]:.3f}", colour, thick > 3)
            )

    for lane, points in homes.items():
        series(points, history.hospitals[lane].name, history.hospitals[lane].colour, 1.5)
    series(train, "train loss (weighted)", MUTED, 2.0, "6 4")
    series([(v, loss) for v, (loss, _) in sorted(heldout.items())], "all hospitals", INK, 3.2)
    places = spread([end[1] for end in ends], 15, top + 4, bottom)
    for (x_end, y_end, label, colour, bold), place in zip(ends, places, strict=True):
        pen.polyline([(x_end + 5, y_end), (max(right, x_end) + 8, y_end), (right + 24, place)], colour, 0.7)
        pen.swatch(right + 27, place + 4, colour)
        pen.text(right + 42, place + 4, label, bold=bold)
    return pen.markup()


def perplexity_figure(history: History, width: float = 1120) -> str:
    """Held-out perplexity of base, own and global adapter by hospital, with 95 % intervals, on a logarithmic axis."""
    lanes = sorted({int(lane) for _, lane in history.measures})
    if not lanes:
        return ""
    rows: list[tuple[str, str, dict[str, Measure]]] = []
    overall = {model: found for model in MODELS if (found := total(history, model)) is not None}
    if len(lanes) > 1:
        rows.append(("All hospitals", INK, overall))
    for lane in lanes:
        held = {model: m for model in MODELS if (m := history.measures.get((model, str(lane)))) is not None}
        rows.append((history.hospitals[lane].name, history.hospitals[lane].colour, held))
    spans = [m.perplexity_interval() for _, _, held in rows for m in held.values()]
    low, high = min(s[0] for s in spans) / 1.06, min(max(s[1] for s in spans), 1e12) * 1.06
    height, top, left = max(lane_height(len(lanes)) + 6, 26), 40.0, 236.0
    bottom = top + height * len(rows)
    pen = Drawing(width, bottom + 42, "held-out perplexity by hospital")
    to_log = scale(math.log(low), math.log(high), left, width - 24)
    place = left
    for name, colour in MODELS.values():
        pen.circle(place, 14, 5, colour)
        pen.text(place + 11, 18, name)
        place += 46 + 6.6 * len(name)
    for tick in log_ticks(low, high):
        pen.line(to_log(math.log(tick)), top, to_log(math.log(tick)), bottom)
        pen.text(to_log(math.log(tick)), bottom + 17, f"{tick:.4g}", "middle", MUTED)
    pen.text((left + width) / 2, bottom + 36, "perplexity, logarithmic (left is better)", "middle", MUTED)
    for i, (name, colour, held) in enumerate(rows):
        middle = top + height * (i + 0.5)
        pen.line(8, middle + height / 2, width - 24, middle + height / 2)
        pen.swatch(10, middle + 4, colour)
        pen.text(26, middle + 4, name, limit=31, bold=colour == INK)
        for offset, model in zip((-0.26, 0.0, 0.26), MODELS, strict=True):
            if (m := held.get(model)) is not None:
                (a, b), at = m.perplexity_interval(), middle + offset * height
                start, end = (to_log(math.log(min(max(v, low), high))) for v in (a, b))
                pen.line(start, at, end, at, MODELS[model][1], 2)
                told = f"{name}, {MODELS[model][0]}: {short(m.perplexity)} [{short(a)}, {short(b)}]"
                pen.circle(to_log(math.log(min(m.perplexity, high))), at, 4, MODELS[model][1], title=told)
    return pen.markup()


def weight_figure(history: History, width: float = 1120) -> str:
    """Shares of every version's integer weight by hospital, stacked; the weights themselves where there is room."""
    made = [m for m in history.versions if m.weights]
    if not made:
        return ""
    lanes = sorted({lane for m in made for lane in m.weights})
    row = min(lane_height(len(lanes)), 22.0)
    left, right, top = 46.0, width - 230.0, 24.0
    bottom = max(290.0, top + row * len(lanes))
    pen = Drawing(width, bottom + 46, "integer weights by version")
    _y_axis(pen, 0, 100, top, bottom, left, right)
    step = (right - left) / len(made)
    bar = min(step * 0.82, 64.0) if step > 3 else step
    columns = {m.number: left + step * (i + 0.5) for i, m in enumerate(made)}
    drawn: dict[int, list[str]] = {lane: [] for lane in lanes}
    labels: list[tuple[float, float, int, str]] = []
    for m in made:
        sum_of, edge = sum(m.weights.values()), bottom
        for lane in sorted(m.weights, reverse=True):
            tall = m.weights[lane] / sum_of * (bottom - top)
            edge -= tall
            drawn[lane].append(box(columns[m.number] - bar / 2, edge, bar, tall))
            if tall >= 13 and bar >= 22:
                labels.append((columns[m.number], edge + tall / 2 + 4, m.weights[lane], "#fff"))
        if bar >= 30:
            pen.text(columns[m.number], top - 7, f"Σ {sum_of}", "middle", MUTED, 11)
    for i, lane in enumerate(lanes):
        hospital = history.hospitals[lane]
        pen.path("".join(drawn[lane]), hospital.colour, title=hospital.name, stroke="#fff" if bar > 5 else "none")
        pen.swatch(right + 22, top + row * (i + 0.5) + 4, hospital.colour)
        pen.text(right + 38, top + row * (i + 0.5) + 4, hospital.name, limit=29)
    for x, y, weight, colour in labels:
        pen.text(x, y, weight, "middle", colour, 11, bold=True)
    for v in thinned(list(columns), right - left, 34):
        pen.text(columns[v], bottom + 18, v, "middle", MUTED)
    pen.text((left + right) / 2, bottom + 38, "version", "middle", MUTED)
    pen.text(left - 8, top - 8, "%", "end", MUTED, 11)
    return pen.markup()


def _stale_colour(stale: int, worst: int) -> str:
    share = stale / worst if worst else 0.0
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(*_STALE, strict=True))


def staleness_figure(history: History, width: float = 1120) -> str:
    """Hospitals by versions: a cell for each update that went in, darker the staler, with its staleness in versions."""
    made = [m for m in history.versions if m.staleness]
    if not made:
        return ""
    lanes = list(range(len(history.hospitals)))
    worst = max(stale for m in made for stale in m.staleness.values())
    left, top, row = 226.0, 24.0, lane_height(len(lanes))
    cell = min((width - left - 12) / len(made), 78.0)
    bottom = top + row * len(lanes)
    pen = Drawing(width, bottom + 64, "staleness by version and hospital")
    columns = {m.number: left + cell * i for i, m in enumerate(made)}
    for lane in lanes:
        y = top + row * lane
        pen.line(8, y + row, left + cell * len(made), y + row)
        pen.swatch(10, y + row / 2 + 4, history.hospitals[lane].colour)
        pen.text(26, y + row / 2 + 4, history.hospitals[lane].name, limit=29)
    gap = 1.0 if cell > 4 else 0.0
    for stale in sorted({stale for m in made for stale in m.staleness.values()}):
        where = [(columns[m.number], top + row * lane) for m in made for lane, s in m.staleness.items() if s == stale]
        d = "".join(box(x + gap, y + gap, cell - 2 * gap, row - 2 * gap) for x, y in where)
        pen.path(d, _stale_colour(stale, worst), title=f"staleness {stale}")
        for x, y in where if cell >= 18 else ():
            pen.text(x + cell / 2, y + row / 2 + 4, stale, "middle", "#fff" if 2 * stale > worst else INK, 11)
    for v in thinned(list(columns), cell * len(made), 30):
        pen.text(columns[v] + cell / 2, bottom + 17, v, "middle", MUTED)
    pen.text(left + cell * len(made) / 2, bottom + 34, "version", "middle", MUTED)
    steps = sorted({round(worst * i / min(worst, 8)) for i in range(min(worst, 8) + 1)}) if worst else [0]
    pen.text(26, bottom + 54, "staleness in versions", colour=MUTED)
    for i, stale in enumerate(steps):
        pen.swatch(left + 44 * i, bottom + 54, _stale_colour(stale, worst), 13)
        pen.text(left + 44 * i + 18, bottom + 54, stale, colour=MUTED)
    return pen.markup()


def bytes_figure(history: History, width: float = 1120) -> str:
    """Bytes up (full colour) and down (pale) by hospital."""
    lanes = range(len(history.hospitals))
    up = [sum(s.up for s in history.spans if s.hospital == lane) for lane in lanes]
    down = [sum(s.down for s in history.spans if s.hospital == lane) for lane in lanes]
    most = max([*up, *down, 0])
    if not most:
        return ""
    left, top, row = 226.0, 12.0, max(lane_height(len(lanes)), 20.0) + 6
    pen = Drawing(width, top + row * len(lanes) + 34, "bytes up and down by hospital")
    x = scale(0, most, left, width - 84)
    for lane in lanes:
        hospital, y, thick = history.hospitals[lane], top + row * lane, (row - 6) / 2
        pen.swatch(10, y + row / 2 + 1, hospital.colour)
        pen.text(26, y + row / 2 + 1, hospital.name, limit=29)
        for count, at, opacity, way in ((up[lane], y, 1.0, "up"), (down[lane], y + thick, 0.4, "down")):
            title = f"{hospital.name}: {size(count)} {way}"
            pen.path(box(left, at, max(x(count) - left, 0.8), thick - 1), hospital.colour, opacity, title)
            pen.text(x(count) + 6, at + thick / 2 + 3, size(count), size=10.5, colour=MUTED)
    pen.line(left, top - 4, left, top + row * len(lanes), MUTED)
    y = top + row * len(lanes) + 20
    for place, opacity, name in ((left, 1.0, "up: accepted updates"), (left + 160, 0.4, "down: records to catch up")):
        pen.swatch(place, y, MUTED, opacity=opacity)
        pen.text(place + 15, y, name, colour=MUTED)
    return pen.markup()
