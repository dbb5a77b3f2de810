"""The part of the report that says what joining brought each hospital: a sentence each, a figure, the table.

Not for: the terminal (``crossward.report.joining.table``).
"""

from __future__ import annotations

from collections.abc import Sequence

from crossward.report.adapter_figures import joining_figure
from crossward.report.joining.figures import ADAPTERS, PAIRS, Gap, Joining, Level, Place, present
from crossward.report.joining.sentence import gap_text, sentence
from crossward.report.parts import section, table
from crossward.report.svg import escape, short


def _level(level: Level | None) -> str:
    if level is None:
        return '<td class="n">-</td>'
    known = level.low is not None and level.high is not None
    interval = f" <small>[{short(level.low or 0.0)}, {short(level.high or 0.0)}]</small>" if known else ""
    return f'<td class="n">{short(level.perplexity)}{interval}</td>'


def _gap(gap: Gap | None) -> str:
    return f'<td class="n">{escape(gap_text(gap)) if gap is not None else "-"}</td>'


def _table(all_joinings: Sequence[Joining], places: Sequence[tuple[str, Place]]) -> str:
    models = present(all_joinings)
    pairs = [pair for pair in PAIRS if any("-".join(pair) in place.differences for _, place in places)]
    rows = []
    for name, place in places:
        levels = "".join(_level(place.adapters.get(model)) for model in models)
        gaps = "".join(_gap(place.differences.get("-".join(pair))) for pair in pairs)
        rows.append(f'<tr><td>{escape(name)}</td><td class="n">{place.patients}</td>{levels}{gaps}</tr>')
    head = ["", "patients", *(ADAPTERS[model] for model in models), *(f"{one} - {other}" for one, other in pairs)]
    return table(head, rows, range(1, len(head)))


def joining_section(all_joinings: Sequence[Joining]) -> str:
    """The card; the figures come from ``crossward evaluate``, and with them the pairing by patient."""
    lines = "".join(f"<li><b>{escape(one.site)}</b>: {escape(sentence(one))}</li>" for one in all_joinings)
    places = [
        (f"{one.site}, {where}", place)
        for where in ("at home", "elsewhere")
        for one in all_joinings
        if (place := one.home if where == "at home" else one.elsewhere) is not None
    ]
    figures = f"<details><summary>The figures</summary>{_table(all_joinings, places)}</details>"
    return section(
        "What joining brought each hospital",
        "Held-out perplexity at home (the hospital's own notes) and elsewhere (the other hospitals'). Differences are "
        "in nats a token, ± 95 % paired by patient. Below, each hospital's first line is at "
        "home and the second elsewhere.",
        f"<ul>{lines}</ul>{joining_figure(all_joinings)}{figures}",
    )
