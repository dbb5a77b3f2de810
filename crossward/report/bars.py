"""Horizontal bars with names to the left and numbers to the right, for counts by category, label or length.

Not for: figures of a run (``crossward.report.figures``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from crossward.report.axes import FIGURE, NAMES
from crossward.report.palette import ALERT, MUTED, colours
from crossward.report.svg import Drawing, box, scale

_ROW, _NUMBERS = 24.0, 250.0  # pixels: a bar with its gap, the room for what is written behind the longest bar


class Bar(NamedTuple):
    """A row: ``value`` is what is drawn, ``says`` what is written behind it; ``alert`` stands out."""

    name: str
    value: float
    says: str
    alert: bool = False


def bars_figure(rows: Sequence[Bar], label: str, width: float = FIGURE) -> str:
    """An SVG element with a bar for each of ``rows``, in order; empty without any. ``label`` says what is drawn."""
    if not rows:
        return ""
    pen = Drawing(width, _ROW * len(rows) + 8, label)
    x = scale(0.0, max(max(row.value for row in rows), 1e-9), NAMES, width - _NUMBERS)
    usual = colours(1)[0]
    for number, row in enumerate(rows):
        top = 4 + _ROW * number
        pen.text(NAMES - 10, top + 15, _cut(row.name), "end", whole=row.name)
        pen.path(box(NAMES, top + 3, max(x(row.value) - NAMES, 1.0), _ROW - 8), ALERT if row.alert else usual)
        pen.text(x(row.value) + 8, top + 15, row.says, colour=MUTED)
    return pen.markup()


def _cut(name: str, longest: int = 32) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
