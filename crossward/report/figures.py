"""The report's figures of versions and traffic: weights, staleness, bytes.

A hospital has one colour in all figures. Each takes a :class:`~crossward.report.history.History` and returns an SVG
element, or nothing where there is nothing to draw.

Not for: losses (``crossward.report.loss_figures``), time (``crossward.report.timeline``) or tables
(``crossward.report.parts``).
"""

from __future__ import annotations

from crossward.report.axes import FIGURE, lane_height, lanes_named, y_axis
from crossward.report.history import History
from crossward.report.palette import MUTED, ink_on
from crossward.report.svg import Drawing, box, dash, scale, size, thinned

_STALE = ((128, 172, 214), (8, 36, 88))


def weight_figure(history: History, width: float = FIGURE) -> str:
    """Shares of every version's integer weight by hospital, stacked; the weights themselves where there is room."""
    made = [m for m in history.versions if m.weights]
    if not made:
        return ""
    lanes = sorted({lane for m in made for lane in m.weights})
    row = min(lane_height(len(lanes)), 22.0)
    left, right, top = 46.0, width - 230.0, 24.0
    bottom = max(290.0, top + row * len(lanes))
    pen = Drawing(width, bottom + 46, "integer weights by version")
    y_axis(pen, 0, 100, top, bottom, left, right)
    step = (right - left) / len(made)
    bar = min(step * 0.82, 64.0) if step > 3 else step
    columns = {m.number: left + step * (i + 0.5) for i, m in enumerate(made)}
    drawn: dict[int, list[str]] = {lane: [] for lane in lanes}
    labels: list[tuple[float, float, int, str]] = []
    colour = {lane: history.hospitals[lane].colour for lane in lanes}
    for m in made:
        sum_of, edge = sum(m.weights.values()), bottom
        for lane in sorted(m.weights, reverse=True):
            tall = m.weights[lane] / sum_of * (bottom - top)
            edge -= tall
            drawn[lane].append(box(columns[m.number] - bar / 2, edge, bar, tall))
            if tall >= 13 and bar >= 22:
                labels.append((columns[m.number], edge + tall / 2 + 4, m.weights[lane], ink_on(colour[lane])))
        if bar >= 30:
            pen.text(columns[m.number], top - 7, f"Σ {sum_of}", "middle", MUTED, 11)
    for i, lane in enumerate(lanes):
        hospital = history.hospitals[lane]
        pen.path("".join(drawn[lane]), hospital.colour, title=hospital.name, stroke="#fff" if bar > 5 else "none")
        pen.swatch(right + 22, top + row * (i + 0.5) + 4, hospital.colour)
        pen.text(right + 38, top + row * (i + 0.5) + 4, hospital.short, whole=hospital.name)
    for x, y, weight, ink in labels:
        pen.text(x, y, weight, "middle", ink, 11, bold=True)
    for v in thinned(list(columns), right - left, 34):
        pen.text(columns[v], bottom + 18, v, "middle", MUTED)
    pen.text((left + right) / 2, bottom + 38, "version", "middle", MUTED)
    pen.text(left - 8, top - 8, "%", "end", MUTED, 11)
    return pen.markup()


def _stale_colour(stale: int, worst: int) -> str:
    share = stale / worst if worst else 0.0
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(*_STALE, strict=True))


def staleness_figure(history: History, width: float = FIGURE) -> str:
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
    lanes_named(pen, history.hospitals[: len(lanes)], top, row, left + cell * len(made))
    gap = 1.0 if cell > 4 else 0.0
    for stale in sorted({stale for m in made for stale in m.staleness.values()}):
        where = [(columns[m.number], top + row * lane) for m in made for lane, s in m.staleness.items() if s == stale]
        d = "".join(dash(x + gap, y + row / 2, cell - 2 * gap) for x, y in where)
        pen.strokes(d, _stale_colour(stale, worst), row - 2 * gap, f"staleness {stale}")
        for x, y in where if cell >= 18 else ():
            pen.text(x + cell / 2, y + row / 2 + 4, stale, "middle", ink_on(_stale_colour(stale, worst)), 11)
    for v in thinned(list(columns), cell * len(made), 30):
        pen.text(min(columns[v] + cell / 2, width - 4 - 4 * len(str(v))), bottom + 17, v, "middle", MUTED)
    pen.text(left + cell * len(made) / 2, bottom + 34, "version", "middle", MUTED)
    steps = sorted({round(worst * i / min(worst, 8)) for i in range(min(worst, 8) + 1)}) if worst else [0]
    pen.text(26, bottom + 54, "staleness in versions", colour=MUTED)
    for i, stale in enumerate(steps):
        pen.swatch(left + 44 * i, bottom + 54, _stale_colour(stale, worst), 13)
        pen.text(left + 44 * i + 18, bottom + 54, stale, colour=MUTED)
    return pen.markup()


def bytes_figure(history: History, width: float = FIGURE) -> str:
    """Bytes up (full colour) and down (pale) by hospital."""
    lanes = range(len(history.hospitals))
    spans = (*history.spans, *history.questions)
    up = [sum(s.up for s in spans if s.hospital == lane) for lane in lanes]
    down = [sum(s.down for s in spans if s.hospital == lane) for lane in lanes]
    most = max([*up, *down, 0])
    if not most:
        return ""
    left, top, row = 226.0, 12.0, max(lane_height(len(lanes)), 20.0) + 6
    pen = Drawing(width, top + row * len(lanes) + 34, "bytes up and down by hospital")
    x = scale(0, most, left, width - 84)
    for lane in lanes:
        hospital, y, thick = history.hospitals[lane], top + row * lane, (row - 6) / 2
        pen.swatch(10, y + row / 2 + 1, hospital.colour)
        pen.text(26, y + row / 2 + 1, hospital.short, whole=hospital.name)
        for count, at, opacity, way in ((up[lane], y, 1.0, "up"), (down[lane], y + thick, 0.4, "down")):
            title = f"{hospital.name}: {size(count)} {way}"
            pen.path(box(left, at, max(x(count) - left, 0.8), thick - 1), hospital.colour, opacity, title)
            pen.text(x(count) + 6, at + thick / 2 + 3, size(count), size=10.5, colour=MUTED)
    pen.line(left, top - 4, left, top + row * len(lanes), MUTED)
    y = top + row * len(lanes) + 20
    shares, lists = (" and a committee's shares", " and version lists") if history.questions else ("", "")
    place = left
    for opacity, name in ((1.0, f"up: accepted updates{shares}"), (0.4, f"down: records to catch up{lists}")):
        pen.swatch(place, y, MUTED, opacity=opacity)
        pen.text(place + 15, y, name, colour=MUTED)
        place += 28 + 6.6 * len(name)
    return pen.markup()
