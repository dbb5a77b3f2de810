"""How a file of notes is written, as its hospital states it; what is not stated is found out (``data.formats``)."""

from __future__ import annotations

from dataclasses import dataclass

# how programs write a missing value, in any column
NULLS = ("\\N", "NULL", "null", "NaN", "nan", "-nan", "<NA>", "NaT", "#N/A")
# how people write that there is none; a label or a ward may be called so, an id, a time or a note is not
NO_VALUES = ("NA", "N/A", "n/a", "None", "none", "(null)", "nil")


@dataclass(frozen=True)
class Form:
    """How a file is written.

    Parameters
    ----------
    encoding : str
        A name that Python knows; "" = found out.
    delimiter : str
        One character, or "tab"; "" = found out.
    quote : str
        The character around fields, followed by a backslash where that escapes; "none"; "" = found out.
    nulls : tuple[str, ...]
        Spellings of a missing value in every column; () = ``NULLS``, and ``NO_VALUES`` for ids, times and notes.
    """

    encoding: str = ""
    delimiter: str = ""
    quote: str = ""
    nulls: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What stands for a missing value in any column."""
        return self.nulls or NULLS
