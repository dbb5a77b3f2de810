"""How a CSV file is written: ``Dialect``. Not for: finding that out (``data.formats.sniffing``)."""

from __future__ import annotations

import dataclasses

from data.formats.encodings import Encoding

NAMED = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a file is written, and what its line of column names holds.

    Parameters
    ----------
    delimiter, quote : str
        One character of ASCII each; quote may be "".
    escape : bool
        Whether a backslash takes its meaning from the next character.
    names : tuple[str, ...]
        The columns as written, in order, "" for one without a name.
    first_line : int
        The line, from 1, after that of the names.
    encoding : Encoding
        Of the text.
    """

    delimiter: str
    quote: str
    escape: bool
    names: tuple[str, ...]
    first_line: int
    encoding: Encoding

    @property
    def width(self) -> int:
        """How many fields a row has."""
        return len(self.names)

    @property
    def stray_lines(self) -> int:
        """How many lines of the file are not in its encoding."""
        return self.encoding.stray_lines
