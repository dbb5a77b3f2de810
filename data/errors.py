"""The one error of this package. Its text names the file, the column, the rows and the remedy, never a note."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 40


class DataError(ValueError):
    """Notes cannot be read, split or tokenised as configured."""


def listed(values: Iterable[str], most: int = 12) -> str:
    """Values of a column for a message or a name.

    Long ones are not repeated: the column that was configured by mistake may be the one with the notes.
    """
    every = list(values)
    shown = [
        (value if len(value) <= _LONGEST else f"(a text of {len(value)} characters)") or "(empty)"
        for value in every[:most]
    ]
    return ", ".join(shown) + (f" and {len(every) - most} more" if len(every) > most else "")
