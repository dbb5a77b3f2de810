"""The table of the label task's scores, by adapter and hospital.

Not for: the scores (``crossward.evaluation.labels``).
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.markup import escape
from rich.table import Table

from crossward.evaluation.joining import LOCAL, OWN
from crossward.evaluation.labels import Scores
from crossward.report.joining.figures import CENTRALISED


def _titles(models: Iterable[str]) -> dict[str, str]:
    """What people are shown for a model's name."""
    fixed = {"base": "untuned base", "global": "global adapter", CENTRALISED: "trained centrally"}
    kinds = {LOCAL: "alone", OWN: "personal"}
    out = {}
    for model in models:
        kind, _, site = model.partition(":")
        out[model] = fixed.get(model) or f"{site} {kinds[kind]}"
    return out


def scores_table(scores: Scores) -> Table:
    """AUROC, macro-F1 and calibration by model and hospital."""
    titles = _titles(model for model, _ in scores)
    sites = list(dict.fromkeys(site for _, site in scores))
    table = Table(title="Label task on held-out notes: AUROC / macro-F1 / Brier score / ECE")
    table.add_column("model")
    for site in sites:
        table.add_column(escape(site), justify="right")
    for model in dict.fromkeys(model for model, _ in scores):
        found = (scores.get((model, site)) for site in sites)
        table.add_row(
            escape(titles[model]),
            *("-" if s is None else " / ".join("-" if x is None else f"{x:.3f}" for x in s.values()) for s in found),
        )
    return table
