"""The one error of this package. Its text names the file, the column, the rows and the remedy, never a note.

What a text may repeat of a file's content is decided in ``data.quoting`` alone.
"""

from __future__ import annotations


class DataError(ValueError):
    """Notes cannot be read, split or tokenised as configured."""
