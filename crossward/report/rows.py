"""Rows of held-out measures by model and hospital, and their totals.

Not for: measuring, or what people are shown (``crossward.report.joining``).
"""

from __future__ import annotations

from crossward.protocol.measures import Measure

ALL = "all"
Rows = dict[tuple[str, str], Measure]


def with_totals(rows: Rows) -> Rows:
    """``rows`` with a row for all hospitals together, for every model measured at each of them."""
    sites = {site for _, site in rows}
    out = dict(rows)
    for model in dict.fromkeys(model for model, _ in rows):
        if all((model, site) in rows for site in sites):
            out[model, ALL] = sum((rows[model, site] for site in sorted(sites)), Measure())
    return out
