"""Views of a run as who looks at it may have them: of a simulation on this machine with exact training losses.

What a node keeps is looked for only where a launcher on this machine made the run: an aggregator's views import
nothing of a node.

Not for: drawing (``crossward.report.views``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crossward.config.run_settings import launched_here
from crossward.report.reported_loss import ExactLoss

NO_LOSSES = (
    "no exact training losses: private trainings keep none, and others are where the run's nodes keep their state "
    "(run.state-dir, or state/ in CROSSWARD_HOME as it was set for the run). Shown is what was reported"
)


def exact_losses(folder: Path) -> ExactLoss | None:
    """Those of a simulated run; None where its updates have none, so that what was reported is shown for what it is."""
    from crossward.launcher.exact_losses import ExactLosses

    found = ExactLosses(folder)
    return None if found.missing() else found


def local_losses(folder: Path, say: Callable[[str], None]) -> ExactLoss | None:
    """:func:`exact_losses` of a run that a launcher on this machine made, else None; ``say`` gets why there are none.

    ``folder`` need not hold a run.
    """
    if not launched_here(folder):
        return None
    if (found := exact_losses(folder)) is None:
        say(NO_LOSSES)
    return found


def draw_report(folder: Path) -> str:
    """Draw the report of a simulated run again, with the hospitals' own losses; why it was not, empty where it was.

    The ServerApp has drawn one already: a run whose report cannot be drawn anew is a run all the same.
    """
    from crossward.report.document import NAME

    if not (folder / NAME).exists() or (exact := exact_losses(folder)) is None:
        return ""
    return _drawn(folder, exact)


def redraw_report(folder: Path) -> str:
    """Draw a run's report, if it has one, again after an evaluation; returns as :func:`draw_report` does."""
    from crossward.report.document import NAME

    return _drawn(folder, local_losses(folder, lambda _: None)) if (folder / NAME).exists() else ""


def _drawn(folder: Path, exact: ExactLoss | None) -> str:
    from crossward.report.views import write_report

    try:
        write_report(folder, exact)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
