"""What ``crossward data check party.toml`` prints of its findings.

Not for: the command (``crossward.cli.party_check``) or the page (``crossward.evaluation.party_page``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossward.cli.data_lines import read_lines, titled_table
from crossward.machine.text import printable

if TYPE_CHECKING:
    from crossward.config.party_settings import PartyConfig
    from data.check.party.findings import PartyFindings

_FEATURES = ("feature", "patients", "missing", "lowest", "median", "highest")
_ABOUT = "over patients; of an item that is measured several times the lowest, the median of the last, the highest"


def print_party(found: PartyFindings, config: PartyConfig) -> None:
    """A table of features, lines on all else, and what is worth a look."""
    from rich.console import Console
    from rich.text import Text

    from crossward.evaluation.party_words import feature_cells, lines

    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    if found.features:
        table = titled_table(f"Features of {printable(config.path)}", _FEATURES, _ABOUT, left=1)
        for one in found.features:
            table.add_row(*map(Text, feature_cells(one, found.patients)))
        console.print(table)
    for line in (*read_lines(found, "rows"), *lines(found)):
        console.print(printable(line), markup=False)
    for warning in found.warnings:
        console.print(f"warning: {printable(warning)}", markup=False, style="yellow")
