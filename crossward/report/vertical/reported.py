"""What the label holder reports of the joint model beside its own, before the run is evaluated.

Not for: models compared on the same patients, with intervals (``crossward.report.vertical.scores``).
"""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.ledger.vertical_state import VerticalState, fold_vertical
from crossward.protocol.vertical.messages import FINISH
from crossward.report.svg import clean
from crossward.report.vertical.words import figure

ALONE = "alone "  # how the names of figures of the label holder's own model begin
HEAD = ("reported by", "", "joint model", "own features alone")


def reported_rows(state: VerticalState) -> list[tuple[str, str, str, str]]:
    """(party, figure, of the joint model, of the party's own) of all that was reported of the finished model."""
    return [
        (clean(party, 64), clean(name.replace("_", " "), 64), _value(facts.get(name)), _value(facts.get(ALONE + name)))
        for party, facts in state.reported(FINISH).items()
        for name in dict.fromkeys(name.removeprefix(ALONE) for name in facts)
    ]


def _value(value: float | str | None) -> str:
    return "-" if value is None else clean(figure(str(value)), 64)


def vertical_reported(folder: Path) -> Table:
    """The rows of the run in ``folder`` for a terminal."""
    table = Table(
        title="As the label holder reports it, on its held-out common patients", box=SIMPLE_HEAD, pad_edge=False
    )
    for number, heading in enumerate(HEAD):
        table.add_column(heading, justify="right" if number > 1 else "left")
    for row in reported_rows(fold_vertical(read_events(folder / FILE_NAME))):
        table.add_row(*map(escape, row))
    return table
