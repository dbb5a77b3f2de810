"""What people see of a run: page, live view and reported figures, by its scenario. ``VIEWS`` has an entry for each.

Not for: what is on a page (``crossward.report.page``, ``crossward.report.vertical.page``) or in a live view
(``crossward.report.watch.command``, ``crossward.report.vertical.watch``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from crossward.config.scenarios import HORIZONTAL, TRANSFER, VERTICAL
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.ledger.state import fold
from crossward.report import page
from crossward.report.document import write_page
from crossward.report.joining.table import reported_table
from crossward.report.reported_loss import ExactLoss
from crossward.report.vertical.page import draw_vertical_page
from crossward.report.vertical.reported import vertical_reported
from crossward.report.vertical.watch import VerticalFollower
from crossward.report.watch.command import Follower
from crossward.report.watch.follow import LedgerFollower


@dataclass(frozen=True)
class Views:
    """``draw`` gives the page of a run folder as text, ``follow`` what its live view is drawn by, ``reported`` a table.

    The first two take the exact training losses that who runs a simulation has; runs that have none leave them aside.
    """

    draw: Callable[[Path, ExactLoss | None], str]
    follow: Callable[[Path, ExactLoss | None], LedgerFollower[Any]]
    reported: Callable[[Path], RenderableType]


def _measures(folder: Path) -> RenderableType:
    return reported_table(fold(read_events(folder / FILE_NAME)).measures)


_HORIZONTAL = Views(page.draw_page, lambda folder, exact: Follower(folder, exact=exact), _measures)
_VERTICAL = Views(
    lambda folder, _: draw_vertical_page(folder), lambda folder, _: VerticalFollower(folder), vertical_reported
)
VIEWS: dict[str, Views] = {HORIZONTAL: _HORIZONTAL, VERTICAL: _VERTICAL, TRANSFER: _VERTICAL}


def scenario_of(folder: Path) -> str:
    """The scenario of the run in ``folder``; of one whose settings cannot be read it is the usual one."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]["run.scenario"]
    except (OSError, ValueError, KeyError, TypeError):
        return HORIZONTAL
    return found if isinstance(found, str) and found in VIEWS else HORIZONTAL


def views_of(folder: Path) -> Views:
    """The views of the run in ``folder``."""
    return VIEWS[scenario_of(folder)]


def draw_page(folder: Path, exact: ExactLoss | None = None) -> str:
    """The page of the run in ``folder``, which may be under way.

    Raises
    ------
    RunFolderError
        ``folder`` holds no run.
    LedgerError
        the ledger's chain does not hold.
    SettingsError
        the run's settings are none of this version's.
    OSError
        the ledger cannot be read.
    """
    return views_of(folder).draw(folder, exact)


def write_report(folder: Path, exact: ExactLoss | None = None) -> Path:
    """Write :func:`draw_page`'s page into the run folder as ``report.html``; its path. Raises as it does."""
    return write_page(folder, draw_page(folder, exact))
