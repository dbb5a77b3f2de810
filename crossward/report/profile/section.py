"""The part of the report that shows whether the hospitals' notes fit together.

Not for: the terminal (``crossward.report.profile.lines``).
"""

from __future__ import annotations

from crossward.report.bars import Bar, bars_figure
from crossward.report.parts import section
from crossward.report.profile.figures import TITLES, Cell, Profile
from crossward.report.profile.verdict import matters, sentences, share
from crossward.report.svg import escape

TITLE = "Do the hospitals fit together?"


def says(profile: Profile) -> str:
    """How the numbers came about."""
    how = (
        "Sums over the hospitals, added up under encryption and opened once."
        if profile.sealed
        else "Sums over the simulated hospitals, whose notes are all on this machine; as a profile run would open them."
    )
    noise = (
        f" Each hospital's counts carry noise of standard deviation {profile.deviation:.3g}."
        if profile.deviation
        else ""
    )
    return f"{how} A hospital states counts below {profile.least} as 0 and others to the nearest {profile.unit}.{noise}"


def profile_section(profile: Profile) -> str:
    """The card: sentences, and bars by category, label and length."""
    lines = "".join(f"<li>{escape(text)}</li>" for text in sentences(profile))
    figures = "".join(
        f"<h3>{escape(TITLES[group])}</h3>{bars_figure(_bars(cells, profile), f'notes by {group}')}"
        for group, cells in profile.groups()
    )
    legend = " Red: many notes, and not at every hospital."
    return section(TITLE, says(profile) + legend, f"<ul>{lines}</ul>{figures}")


def unopened_section() -> str:
    """The card of a profile run that nobody has opened here."""
    return section(
        TITLE,
        "",
        "",
        "The sums are sealed. Whoever holds the consortium's key opens them: "
        "crossward data profile RUN_FOLDER --key FILE",
    )


def _bars(cells: list[Cell], profile: Profile) -> list[Bar]:
    return [
        Bar(
            cell.name,
            cell.count,
            f"{cell.count:,} ({share(cell, cells):.1%}), at {cell.having} of {profile.hospitals}",
            alert=matters(cell, cells) and cell.having < profile.hospitals,
        )
        for cell in cells
    ]
