"""Figures for people: rich tables that all look alike.

Not for: what a benchmark computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from benchmarks.harness.figures import Row, verdict

WIDTH = 200
Columns = Mapping[str, tuple[str | Callable[[Row], Any], str]]
"""Heading -> (key of a row, or what computes the cell from it; format). A format may end in ``M``: millions."""


def show(*what: RenderableType) -> None:
    """Print tables, and lines and titles without wrapping them."""
    console = Console(width=WIDTH, highlight=False, markup=False)
    for one in what:
        if isinstance(one, Table) and one.title:
            console.print(one.title, style="bold", soft_wrap=True)
            one.title = None  # within the table it would be wrapped to its width
        console.print(one, soft_wrap=isinstance(one, str))


def cell(value: float | str | None, form: str = ".2f", suffix: str = "") -> str:
    """A figure; '-' for what was not looked at, 'not reached' for what never came."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float) and math.isinf(value):
        return "not reached"
    if form.endswith("M"):
        value, form = float(value) / 1e6, form[:-1]
    return f"{value:{form}}{suffix}"


def table(title: str, *columns: str, left: int = 1) -> Table:
    """An empty table; the first ``left`` columns are aligned left."""
    made = Table(title=title, box=box.SIMPLE_HEAD, caption_justify="left")
    for place, column in enumerate(columns):
        made.add_column(column, justify="right" if place >= left else "left", no_wrap=True)
    return made


def table_of(title: str, rows: Iterable[Row], columns: Columns, left: int = 1) -> Table:
    """A line for each of ``rows``; '-' where a row lacks the figure."""
    made = table(title, *columns, left=left)
    for row in rows:
        cells = ((row.get(what) if isinstance(what, str) else what(row), form) for what, form in columns.values())
        made.add_row(*(cell(value, form) for value, form in cells))
    return made


def side_by_side(title: str, runs: Mapping[str, Row], form: str = "") -> Table:
    """A line for each figure, a column for each of ``runs``, which have the same figures."""
    made = table(title, "", *runs)
    for name in next(iter(runs.values())):
        made.add_row(name.replace("_", " "), *(cell(run[name], form) for run in runs.values()))
    return made


def requirements_table(rows: Iterable[Row]) -> Table:
    """What is required, what was measured, and whether it is met."""
    return table_of(
        "Requirements",
        rows,
        {"required": ("what", ""), "measured": ("value", ".4g"), "limit": ("limit", ""), "": (verdict, "")},
    )
