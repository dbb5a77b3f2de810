"""The report's figure of training losses that hospitals rounded before they reported them: marks, no curves.

A curve through them would be a staircase that looks like a loss which does not fall, or falls at once.

Not for: losses that are exact (``crossward.report.loss_figures``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from crossward.report.axes import FIGURE, version_axis
from crossward.report.history import History
from crossward.report.palette import MUTED
from crossward.report.svg import Drawing, scale

_MARKED = 300  # up to so many marks have a tooltip each


def rounded_figure(found: dict[int, dict[int, float]], history: History, title: str) -> str:
    """A mark for every loss that a hospital reported, on a logarithmic axis of the values that were reported."""
    values = sorted({loss for points in found.values() for loss in points.values() if loss > 0})
    if not values:
        return ""
    levels = [values[0]]
    for value in values[1:]:
        if value > levels[-1] * (1 + 1e-6):
            levels.append(value)
    left, right, top = 58.0, FIGURE - 268.0, 26.0
    bottom = max(min(top + 28.0 * len(levels), 330.0), 15.0 * len(found) + 34.0)
    pen = Drawing(FIGURE, bottom + 46, "reported training loss by hospital")
    newest = max([history.last, 1, *(version for points in found.values() for version in points)])
    room = min(0.8 * (right - left - 60) / newest, 9.0 * len(found))  # of one version: its hospitals side by side
    start, end = left + 12 + room / 2, right - 6 - room / 2
    x = scale(0, newest, start, end)
    y = scale(math.log(levels[0]), math.log(levels[-1]), bottom - 14, top + 14)
    for level in _apart(levels, y):
        pen.line(left, y(math.log(level)), right, y(math.log(level)))
        pen.text(left - 8, y(math.log(level)) + 4, f"{level:.3g}", "end", MUTED)
    version_axis(pen, newest, start, end, bottom, title)
    pen.text(8, top - 12, "nats per token, rounded", colour=MUTED, size=11)
    radius = max(min(room / len(found) / 2, 3.2), 1.2)
    marked = sum(map(len, found.values())) <= _MARKED
    for place, (lane, points) in enumerate(sorted(found.items())):
        hospital, aside = history.hospitals[lane], room * ((place + 0.5) / len(found) - 0.5)
        for version, loss in sorted(points.items()):
            if loss > 0:
                label = f"{hospital.name}, version {version}: {loss:.3g}, {history.rounding}"
                pen.circle(
                    x(version) + aside,
                    y(math.log(loss)),
                    radius,
                    hospital.colour,
                    hospital.colour,
                    label if marked else "",
                )
        pen.swatch(right + 27, top + 14 + 15 * place, hospital.colour)
        pen.text(right + 42, top + 14 + 15 * place, hospital.short, whole=hospital.name)
    return pen.markup()


def _apart(levels: Sequence[float], y: Callable[[float], float]) -> list[float]:
    """Those of ``levels`` whose labels do not touch."""
    kept = [levels[0]]
    for level in levels[1:]:
        if abs(y(math.log(level)) - y(math.log(kept[-1]))) >= 13:
            kept.append(level)
    return kept
