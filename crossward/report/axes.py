"""What the report's figures share: width, lanes with the hospitals' names, axes.

Not for: marks (``crossward.report.svg``) or what is drawn on the axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crossward.report.lanes import Lane
from crossward.report.palette import GRID, MUTED
from crossward.report.svg import Drawing, box, scale, thinned, ticks

FIGURE = 1120.0  # a figure's width in its own units, pixels where the page is wide enough
NAMES = 226.0  # where lanes begin, right of the hospitals' names


def lane_height(count: int) -> float:
    """Pixels a lane, so that 4 hospitals fill a figure and 30 still fit on a page."""
    return 30.0 if count <= 6 else 22.0 if count <= 14 else 17.0


def lanes_named(pen: Drawing, lanes: Sequence[Lane], top: float, row: float, right: float) -> None:
    """The names and colours of ``lanes``, each above a line from edge to ``right``."""
    for i, lane in enumerate(lanes):
        middle = top + row * (i + 0.5)
        pen.line(8, middle + row / 2, right, middle + row / 2, GRID)
        pen.swatch(10, middle + 4, lane.colour)
        pen.text(26, middle + 4, lane.short, whole=lane.name)


def y_axis(pen: Drawing, low: float, high: float, top: float, bottom: float, left: float, right: float) -> None:
    """Horizontal lines at round numbers, labelled to the left."""
    y = scale(low, high, bottom, top)
    for tick in ticks(low, high):
        pen.line(left, y(tick), right, y(tick))
        pen.text(left - 8, y(tick) + 4, f"{tick:.4g}", "end", MUTED)


def version_axis(pen: Drawing, newest: int, left: float, right: float, bottom: float, title: str) -> None:
    """Versions 0 to ``newest`` below ``bottom``."""
    x = scale(0, newest, left, right)
    for v in thinned(range(newest + 1), right - left, 34):
        pen.text(x(v), bottom + 18, v, "middle", MUTED)
    pen.text((left + right) / 2, bottom + 38, title, "middle", MUTED)


def legend(pen: Drawing, entries: Iterable[tuple[str, float, str]], y: float) -> float:
    """Bars as in a lane, each with its words; the next line's ``y``. As many a line as fit."""
    place = NAMES
    for colour, part, says in entries:
        wide = 44 + 6.9 * len(says)
        if place > NAMES and place + wide > FIGURE:
            place, y = NAMES, y + 20
        tall = 14 * part / 0.72
        pen.path(box(place, y - 4 - tall / 2, 16, tall), colour)
        pen.text(place + 22, y, says)
        place += wide
    return y + 20
