"""What parties report of the models that a run ends with, before it is evaluated: rows, and a table for a terminal.

Not for: models compared on the same patients (``crossward.report.vertical.scores``).
"""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.ledger.vertical_state import VerticalState, fold_vertical
from crossward.protocol.vertical.messages import DISTIL, FINISH
from crossward.report.svg import clean
from crossward.report.vertical.words import figure, title

LAST = (FINISH, DISTIL)  # the steps whose facts are of models


def reported_rows(state: VerticalState) -> list[tuple[str, str, str, str]]:
    """(party, step, fact, value) of all that was reported in the last steps."""
    return [
        (clean(party, 64), title(action, 0), clean(name.replace("_", " "), 64), clean(figure(str(value)), 64))
        for action in LAST
        for party, facts in state.reported(action).items()
        for name, value in facts.items()
    ]


def vertical_reported(folder: Path) -> Table:
    """The rows of the run in ``folder`` for a terminal."""
    table = Table(title="As the parties report it", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("party", "step", "reported"):
        table.add_column(heading)
    table.add_column("", justify="right", no_wrap=True)
    for row in reported_rows(fold_vertical(read_events(folder / FILE_NAME))):
        table.add_row(*map(escape, row))
    return table
