"""The one error of this package. Its text names the file, the column, the rows and the remedy, never a note."""


class DataError(ValueError):
    """Notes cannot be read, split or tokenised as configured."""
