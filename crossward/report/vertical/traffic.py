"""The figure and the table of who sent how much to whom, through an aggregator that opens none of it.

Not for: when it was sent (``crossward.report.vertical.timeline``).
"""

from __future__ import annotations

from crossward.report.axes import FIGURE
from crossward.report.palette import INK, MUTED
from crossward.report.parts import table
from crossward.report.svg import Drawing, box, count, escape, number, size
from crossward.report.vertical.history import Traffic, VerticalHistory
from crossward.report.vertical.timeline import lanes_of

_HIGH, _GAP = 200.0, 26.0  # pixels of all bytes, and between two parties
_LEFT, _RIGHT, _WIDE = 250.0, FIGURE - 250.0, 12.0
_BEFORE, _AFTER = FIGURE / 2 - 66, FIGURE / 2 + 66  # the aggregator's edges
_LEAST = 1.5  # pixels of a band


def traffic_figure(history: VerticalHistory) -> str:
    """Bands from senders at the left through the aggregator to receivers at the right, as thick as their bytes."""
    pairs = [(pair, found) for pair, found in history.sent.items() if found.bytes]
    names = history.parties
    whole = sum(found.bytes for _, found in pairs)
    if not whole:
        return ""
    pairs.sort(key=lambda item: (names.index(item[0][0]), names.index(item[0][1])))
    thick = {pair: max(_HIGH * found.bytes / whole, _LEAST) for pair, found in pairs}
    tall = sum(thick.values()) + _GAP * (len(names) - 1)
    pen = Drawing(FIGURE, tall + 76, "bytes from party to party")
    top = 44.0
    out, into = _tops(names, thick, 0, top), _tops(names, thick, 1, top)
    middle, colour = top + _GAP * (len(names) - 1) / 2, {lane.name: lane.colour for lane in lanes_of(history)}
    _aggregator(pen, middle, sum(thick.values()))
    through = {pair: middle + sum(list(thick.values())[:i]) for i, (pair, _) in enumerate(pairs)}
    leaving = dict(through)
    for (sender, receiver), found in pairs:
        pair = (sender, receiver)
        says = f"{sender} to {receiver}: {size(found.bytes)} in {count(found.count, 'envelope')}"
        shade = colour[sender]
        pen.path(_band(_LEFT + _WIDE, out[pair], _BEFORE, through[pair], thick[pair]), shade, 0.45, says)
        pen.path(_band(_AFTER, leaving[pair], _RIGHT - _WIDE, into[pair], thick[pair]), shade, 0.45, says)
    pen.text(_LEFT, 24, "sent by", "end", MUTED)
    pen.text(_RIGHT, 24, "received by", "start", MUTED)
    for lane in lanes_of(history):
        for side, tops, x, anchor in ((0, out, _LEFT, "end"), (1, into, _RIGHT, "start")):
            mine = [pair for pair in thick if pair[side] == lane.name]
            if not mine:
                continue
            start, end = min(tops[p] for p in mine), max(tops[p] + thick[p] for p in mine)
            pen.path(box(x if side == 0 else x - _WIDE, start, _WIDE, end - start), lane.colour)
            at = x - 8 if side == 0 else x + 8
            total = sum(history.sent[p].bytes for p in mine)
            pen.text(at, (start + end) / 2 + 1, lane.short, anchor, bold=True, whole=lane.name)
            pen.text(at, (start + end) / 2 + 15, size(total), anchor, MUTED, 11)
    return pen.markup()


def _tops(
    names: tuple[str, ...], thick: dict[tuple[str, str], float], side: int, top: float
) -> dict[tuple[str, str], float]:
    """Where each band begins at the senders (``side`` 0) or the receivers (1): parties one below the other."""
    found = {}
    for name in names:
        for pair, high in thick.items():
            if pair[side] == name:
                found[pair] = top
                top += high
        top += _GAP
    return found


def _aggregator(pen: Drawing, top: float, tall: float) -> None:
    pen.path(box(_BEFORE, top, _AFTER - _BEFORE, max(tall, 40)), "#e9edf2", stroke="#9aa7b4")
    middle, centre = top + max(tall, 40) / 2, (_BEFORE + _AFTER) / 2
    pen.text(centre, middle - 3, "aggregator", "middle", INK, bold=True)
    pen.text(centre, middle + 13, "passes on, opens none", "middle", MUTED, 11)


def _band(x1: float, y1: float, x2: float, y2: float, thick: float) -> str:
    bend = (x1 + x2) / 2
    a, b, c, y, z, low, deep = map(number, (x1, bend, x2, y1, y2, y1 + thick, y2 + thick))
    return f"M{a} {y}C{b} {y} {b} {z} {c} {z}L{c} {deep}C{b} {deep} {b} {low} {a} {low}z"


def traffic_table(history: VerticalHistory) -> str:
    """Bytes by sender (row) and receiver (column), and below it by kind of envelope."""
    if not history.sent:
        return ""
    names = history.parties
    rows = []
    for sender in names:
        cells = "".join(_cell(history.sent.get((sender, receiver))) for receiver in names)
        rows.append(f"<tr><td>{escape(sender)}</td>{cells}</tr>")
    head = ["from \\ to", *names]
    kinds = [
        f'<tr><td>{escape(kind)}</td><td class="n">{found.count}</td><td class="n">{size(found.bytes)}</td></tr>'
        for kind, found in history.kinds.items()
    ]
    return (
        f"<details><summary>The figures</summary>{table(head, rows, range(1, len(head)))}"
        f"{table(['kind of envelope', 'envelopes', 'bytes'], kinds, [1, 2])}</details>"
    )


def _cell(found: Traffic | None) -> str:
    if found is None:
        return '<td class="n">-</td>'
    return f'<td class="n">{size(found.bytes)} <small>in {found.count}</small></td>'
