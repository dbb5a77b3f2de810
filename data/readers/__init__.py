"""One reader a source; each yields pieces of raw notes with the columns ``COLUMNS``. Cleaning comes after."""

from data.readers.pieces import COLUMNS, Counts

__all__ = ["COLUMNS", "Counts"]
