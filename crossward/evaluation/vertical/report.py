"""``crossward evaluate`` of a vertical run: the table, a sentence on what joining brought, ``evaluation.json``.

Not for: the models and patients (``crossward.evaluation.vertical.measure``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crossward.evaluation.vertical.measure import COMMON, JOINT, OUTSIDE, Measured, Measuring, closed
from crossward.evaluation.vertical.opened import open_vertical
from crossward.machine.files import write_atomic
from crossward.report.joining.figures import EVALUATION

TITLES = {
    "notes": "notes alone",
    "vitals": "vital signs alone, with outcomes",
    "labs": "laboratory alone, with outcomes",
    "joint": "joint, from embeddings",
    "central": "all features in one place",
    "distilled": "distilled, predicts alone",
}


FEWEST = 10  # patients with the outcome, and without it, for a comparison to be said in words


def evaluate_vertical(folder: Path, state: Path | None, say: Callable[[str], None], console: Console) -> None:
    """Measure the models of a simulated run, print the table and write ``evaluation.json`` in its folder.

    Raises
    ------
    EvaluationError
        the run cannot be opened, or its parties' state is not on this machine.
    """
    run = open_vertical(folder, state)
    if run.config.vertical.cardinality_only:
        say("the run found out how many patients are in common: there is no model to measure")
        return
    rows = list(Measuring(run, say).all())
    out: dict[str, object] = {"scenario": run.config.run.scenario, "rows": [row.row() for row in rows]}
    if (share := closed(rows)) is not None:
        out["gap_closed"] = share
    write_atomic(folder / EVALUATION, json.dumps(out, indent=2) + "\n")
    console.print(table(rows))
    say(_closing(rows, share))


def _closing(rows: list[Measured], share: float | None) -> str:
    """What the table comes down to, or that it has too few patients to say so."""
    found = next(row.found for row in rows if row.model == JOINT)
    fewer = min(found.positive, found.patients - found.positive)
    if share is None or fewer < FEWEST:
        return (
            f"{found.positive} of {found.patients} held-out common patients died: too few to compare models on them. "
            "Models that predict alone are measured on all patients outside the overlap"
        )
    return f"joint: {share:.0%} of the way in AUROC from the better side alone to all features in one place"


def table(rows: list[Measured]) -> Table:
    """The rows as people read them."""
    shown = Table(title="In-hospital death, predicted by each model (95 % intervals by patient)")
    for name in ("model", "party"):
        shown.add_column(name)
    for name in ("AUROC", "AUPRC", "Brier", "calibration error", "patients"):
        shown.add_column(name, justify="right")
    for where in (COMMON, OUTSIDE):
        chosen = [row for row in rows if row.where == where]
        if chosen:
            shown.add_row(f"[bold]{where}[/bold]")
        for row in chosen:
            found = row.found
            shown.add_row(
                f"  {TITLES[row.model]}",
                escape(row.party),
                _with(found.auroc, found.auroc_interval),
                _with(found.auprc, found.auprc_interval),
                "-" if found.brier is None else f"{found.brier:.3f}",
                "-" if found.calibration_error is None else f"{found.calibration_error:.3f}",
                f"{found.patients} ({found.positive} died)",
                style="bold" if row.model == JOINT else "",
            )
    return shown


def _with(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval is not None else "")
