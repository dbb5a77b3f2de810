"""The aggregator's views of a simulated run with exact training losses.

    python -m crossward.launcher watch RUN_FOLDER [--once]
    python -m crossward.launcher report RUN_FOLDER

Not for: deployments, whose aggregator has ``crossward.report.watch.command`` and ``crossward.report.page`` and no
hospital's losses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from crossward.launcher.exact_losses import ExactLosses


def exact_losses(folder: Path) -> ExactLosses | None:
    """Those of a simulated run; None where its updates have none, so that what was reported is shown for what it is."""
    found = ExactLosses(folder)
    return None if found.missing() else found


def _found(folder: Path) -> ExactLosses | None:
    if (found := exact_losses(folder)) is None:
        print(
            "no exact training losses: private trainings keep none, and others are where the run's nodes keep their "
            "state (run.state-dir, or state/ in CROSSWARD_HOME as it was set for the run). Shown is what was reported",
            file=sys.stderr,
        )
    return found


def _watch(argv: Sequence[str]) -> int:
    from crossward.report.watch.command import main

    return main(argv, "python -m crossward.launcher watch", _found)


def _report(argv: Sequence[str]) -> int:
    from crossward.report.page import main

    return main(argv, "python -m crossward.launcher report", _found)


VIEWS: dict[str, Callable[[Sequence[str]], int]] = {"watch": _watch, "report": _report}


def draw_report(folder: Path) -> str:
    """Draw the report of a simulated run again, with the hospitals' own losses; why it was not, empty where it was.

    The ServerApp has drawn one already: a run whose report cannot be drawn anew is a run all the same.
    """
    from crossward.report.page import NAME, write_report

    if not (folder / NAME).exists() or (exact := exact_losses(folder)) is None:
        return ""
    try:
        write_report(folder, exact)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
