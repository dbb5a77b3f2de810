"""The table of held-out measures: perplexity and next-token accuracy by model and hospital, with intervals.

Not for: measuring.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape
from rich.table import Table

from crossward.protocol.measures import Measure

ALL = "all"
Rows = dict[tuple[str, str], Measure]
TITLES = {"base": "untuned base", "global": "global adapter", "own": "own adapter, at home"}


def with_totals(rows: Rows) -> Rows:
    """``rows`` with a row for all hospitals together, for every model measured at each of them."""
    sites = {site for _, site in rows}
    out = dict(rows)
    for model in dict.fromkeys(model for model, _ in rows):
        if all((model, site) in rows for site in sites):
            out[model, ALL] = sum((rows[model, site] for site in sorted(sites)), Measure())
    return out


def measure_table(rows: Rows, titles: Mapping[str, str], caption: str = "") -> Table:
    """A line a model in the order of ``titles``, a column a hospital: perplexity [95 % interval], accuracy below."""
    rows = with_totals(rows)
    sites = [*sorted({site for _, site in rows if site != ALL}), ALL]
    table = Table(title="Held-out perplexity [95 % by patient] and next-token accuracy", caption=caption)
    table.add_column("model")
    for site in sites:
        table.add_column(escape(site), justify="right")
    for model in dict.fromkeys([*titles, *(model for model, _ in rows)]):
        if not any(model == found for found, _ in rows):
            continue
        cells = []
        for site in sites:
            found = rows.get((model, site))
            if found is None or not found.tokens:
                cells.append("-")
                continue
            low, high = found.perplexity_interval()
            interval = f"\\[{low:.2f}, {high:.2f}]" if found.has_interval else "(1 patient)"
            cells.append(f"{found.perplexity:.2f} {interval}\n{100 * found.token_accuracy:.1f} %")
        table.add_row(escape(titles.get(model, model)), *cells)
    return table


def federated_table(rows: Rows) -> Table:
    """What the hospitals reported of base, own and global adapter on notes that never left them."""
    return measure_table(rows, TITLES, "as reported by the hospitals; no note left any of them")
