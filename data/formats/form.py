"""How a file of notes is written, as its hospital states it; what is not stated is found out (``data.formats``)."""

from __future__ import annotations

from dataclasses import dataclass

from crossward.config.notes_settings import NULLS, NotesConfig
from data.errors import DataError

NO_VALUES = ("NA", "N/A", "None", "(null)", "nil")
"""How people write that there is none. A label or a ward may be called so; an id, a time or a note is not."""


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
        The character around fields, followed by a backslash where that escapes; a backslash alone where databases
        write fields without quotes; "none"; "" = found out.
    nulls : tuple[str, ...]
        Spellings of a missing value in every column, whatever their case.
    """

    encoding: str = ""
    delimiter: str = ""
    quote: str = ""
    nulls: tuple[str, ...] = NULLS

    @classmethod
    def of(cls, notes: NotesConfig) -> Form:
        """As ``notes`` states it."""
        return cls(notes.encoding, notes.delimiter, notes.quote, notes.nulls)

    @property
    def separator(self) -> str:
        """The stated delimiter as one character.

        Raises
        ------
        DataError
            it is more than one, or none of ASCII.
        """
        found = "\t" if self.delimiter.lower() in ("tab", "\\t") else self.delimiter
        if len(found) != 1 or not found.isascii():
            raise DataError(f"delimiter of the notes = {self.delimiter!r}: one character was expected, or 'tab'.")
        return found

    @property
    def quoting(self) -> tuple[str, bool] | None:
        """The stated quote, "" for none, and whether a backslash escapes; None where nothing is stated.

        Raises
        ------
        DataError
            it is something else.
        """
        if not self.quote:
            return None
        if self.quote.lower() == "none":
            return "", False
        if self.quote == "\\":
            return "", True
        quote, escape = self.quote[0], self.quote[1:]
        if escape not in ("", "\\") or not quote.isascii() or quote.isalnum():
            raise DataError(
                f"quote of the notes = {self.quote!r}: one character was expected, a backslash after it where that "
                "escapes, or 'none'."
            )
        return quote, bool(escape)

    @property
    def words(self) -> list[str]:
        """Every spelling of a missing value in the cases that occur."""
        return in_cases(self.nulls)


def in_cases(words: tuple[str, ...]) -> list[str]:
    """``words`` as they are, in lower and upper case, and with a capital; but Nan, unlike NaN, is a name."""
    capitals = {word.capitalize() for word in words if word.isupper() or word.istitle()}
    return sorted({spelt for word in words for spelt in (word, word.lower(), word.upper())} | capitals)
