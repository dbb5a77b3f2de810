"""What a profile says, in sentences: which kinds of notes some hospitals lack.

Not for: how far one hospital differs from the others; its own log has that (``client_app.profile``).
"""

from __future__ import annotations

from collections.abc import Iterator

from crossward.report.profile.figures import TITLES, Cell, Profile

COMMON, MOSTLY = 0.05, 0.5  # part of all notes from which a kind matters, and from which it is nearly all
NOT_KNOWN = "not known"  # the category of notes that have none in common (``data.profile``)
_NOUNS = {"category": "notes of category {}", "label": "notes with label {}", "length": "notes of {} tokens"}


def sentences(profile: Profile) -> Iterator[str]:
    """The facts that decide whether hospitals fit, most of all what many notes have and few hospitals."""
    yield (
        f"{profile.hospitals} hospitals have about {profile.whole('notes'):,} notes of {profile.whole('patients'):,} "
        "patients."
    )
    for group, cells in profile.groups():
        unknown = sum(share(cell, cells) for cell in cells if (cell.group, cell.name) == ("category", NOT_KNOWN))
        if unknown > MOSTLY:
            part = f"{unknown:.0%} of the notes"
            yield f"Categories: {part} have no common category; hospitals map theirs in a notes.toml."
        elif lacking := [cell for cell in cells if matters(cell, cells) and cell.having < profile.hospitals]:
            named = "; ".join(
                f"{_NOUNS[group].format(cell.name)}: {share(cell, cells):.0%} of all, at {cell.having} of "
                f"{profile.hospitals} hospitals"
                for cell in sorted(lacking, key=lambda cell: cell.having)
            )
            yield f"Not everywhere: {named}."
        else:
            yield f"{TITLES[group]}: every hospital has those that many notes have."


def share(cell: Cell, cells: list[Cell]) -> float:
    """A cell's part of its group."""
    return cell.count / max(sum(one.count for one in cells), 1)


def matters(cell: Cell, cells: list[Cell]) -> bool:
    """Whether so many notes are in the cell that a hospital without any differs from the others."""
    return share(cell, cells) >= COMMON
