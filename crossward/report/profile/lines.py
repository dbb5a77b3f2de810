"""A profile on the terminal.

Not for: the report (``crossward.report.profile.section``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossward.report.profile.figures import TITLES, Profile
from crossward.report.profile.section import TITLE, says
from crossward.report.profile.verdict import sentences, share

if TYPE_CHECKING:
    from rich.console import Console


def print_profile(console: Console, profile: Profile) -> None:
    """A table of all cells that are not empty, and the sentences on them."""
    from rich.table import Table

    table = Table(title=TITLE, caption=says(profile), caption_justify="left")
    for name in ("", "notes", "share", "hospitals"):
        table.add_column(name, justify="right" if name else "left")
    for group, cells in profile.groups():
        table.add_row(TITLES[group], style="bold")
        for cell in cells:
            having = f"{cell.having} of {profile.hospitals}"
            table.add_row(f"  {cell.name}", f"{cell.count:,}", f"{share(cell, cells):.1%}", having)
    console.print(table)
    for text in sentences(profile):
        console.print(text, markup=False, highlight=False)
