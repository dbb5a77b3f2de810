"""The report's figures of adapters: perplexities on one logarithmic axis, by hospital, at home and elsewhere.

Not for: losses by version (``crossward.report.loss_figures``) or the table of measures (``crossward.report.parts``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossward.report.axes import FIGURE, lane_height
from crossward.report.history import History, total
from crossward.report.joining.figures import ALONE, BASE, CENTRALISED, GLOBAL, PERSONAL, REPORTED, Joining, Level
from crossward.report.lanes import ROOM, Lane
from crossward.report.names import labels
from crossward.report.palette import INK, MUTED
from crossward.report.svg import Drawing, log_ticks, scale, short

LOOKS = {
    BASE: ("untuned base", "#7a8793"),
    ALONE: ("trained alone", "#b87800"),
    GLOBAL: ("global adapter", "#1f4e8c"),
    PERSONAL: ("personal adapter", "#0b7a53"),
    CENTRALISED: ("trained centrally", "#86164f"),
}
_MOST, _LINE = 1e12, 13.0  # _LINE: pixels between the marks of a row


@dataclass(frozen=True)
class Row:
    """The adapters measured on the same notes; ``of`` names whose."""

    of: Lane
    levels: Mapping[str, Level]


def perplexity_figure(history: History) -> str:
    """Perplexity of each adapter by hospital, at home, as the hospitals reported it; empty where none did."""
    lanes = sorted({int(lane) for _, lane in history.measures})
    rows = []
    if len(lanes) > 1:
        overall = {
            adapter: found for model, adapter in REPORTED.items() if (found := total(history, model)) is not None
        }
        rows.append(Row(Lane("All hospitals", "All hospitals", INK), {k: Level.of(m) for k, m in overall.items()}))
    for lane in lanes:
        held = {a: m for model, a in REPORTED.items() if (m := history.measures.get((model, str(lane)))) is not None}
        rows.append(Row(history.hospitals[lane], {adapter: Level.of(m) for adapter, m in held.items()}))
    return _figure(rows, "held-out perplexity by hospital")


def joining_figure(all_joinings: Sequence[Joining]) -> str:
    """Perplexity of each adapter at home and, in the row below, elsewhere."""
    sites = [one.site for one in all_joinings]
    rows = []
    for one, name in zip(all_joinings, labels(sites, ROOM), strict=True):
        rows.append(Row(Lane(f"{one.site}, at home", name, INK), one.home.adapters))
        if one.elsewhere is not None:
            rows.append(Row(Lane(f"{one.site}, elsewhere", "elsewhere", MUTED), one.elsewhere.adapters))
    return _figure(rows, "perplexity at home and elsewhere")


def _ends(level: Level) -> tuple[float, float]:
    return (
        level.perplexity if level.low is None else level.low,
        level.perplexity if level.high is None else level.high,
    )


def _figure(rows: Sequence[Row], label: str) -> str:
    """A row of marks with intervals for each of ``rows``; empty without any."""
    shown = [adapter for adapter in LOOKS if any(adapter in row.levels for row in rows)]
    if not shown:
        return ""
    spans = [_ends(level) for row in rows for level in row.levels.values()]
    low, high = min(start for start, _ in spans) / 1.06, min(max(end for _, end in spans), _MOST) * 1.06
    spacious = len(rows) <= 16
    height = max(lane_height(len(rows)) + 12, _LINE * len(shown) + 6) if spacious else max(lane_height(len(rows)), 26)
    top, left, right = 40.0, 236.0, FIGURE - 70.0
    bottom = top + height * len(rows)
    pen = Drawing(FIGURE, bottom + 42, label)
    to_log = scale(math.log(low), math.log(high), left, right)
    place = left
    for name, colour in (LOOKS[adapter] for adapter in shown):
        pen.circle(place, 14, 5, colour)
        pen.text(place + 11, 18, name)
        place += 46 + 6.6 * len(name)
    for tick in log_ticks(low, high):
        pen.line(to_log(math.log(tick)), top, to_log(math.log(tick)), bottom)
        pen.text(to_log(math.log(tick)), bottom + 17, f"{tick:.4g}", "middle", MUTED)
    pen.text((left + right) / 2, bottom + 36, "perplexity, logarithmic (left is better)", "middle", MUTED)
    for i, row in enumerate(rows):
        middle = top + height * (i + 0.5)
        pen.line(8, middle + height / 2, FIGURE - 24, middle + height / 2)
        if row.of.colour != MUTED:
            pen.swatch(10, middle + 4, row.of.colour)
        pen.text(26, middle + 4, row.of.short, bold=row.of.colour == INK, colour=_ink(row.of), whole=row.of.name)
        for j, adapter in enumerate(shown):
            if (level := row.levels.get(adapter)) is None:
                continue
            at = middle + (j - (len(shown) - 1) / 2) * min(_LINE, height / len(shown))
            (a, b), (name, colour) = _ends(level), LOOKS[adapter]
            start, end = (to_log(math.log(min(max(value, low), high))) for value in (a, b))
            pen.line(start, at, end, at, colour, 2)
            title = f"{row.of.name}, {name}: {short(level.perplexity)} [{short(a)}, {short(b)}]"
            pen.circle(to_log(math.log(min(level.perplexity, high))), at, 4, colour, title=title)
            if spacious:
                pen.text(max(end, start) + 8, at + 3.5, short(level.perplexity), colour=colour, size=10.5)
    return pen.markup()


def _ink(lane: Lane) -> str:
    return MUTED if lane.colour == MUTED else INK
