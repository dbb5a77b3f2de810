"""What names of files say where nothing else does, and when too many files are broken: for notes of a file each."""

from __future__ import annotations

import re
from pathlib import Path

from data.errors import DataError

_NUMBERS = re.compile(r"(\d+)[-_]\d+")
_MOST = 0.1  # share of files that cannot be read; of more, the folder is not what it was taken for


def patient_of(name: str) -> str:
    """The patient of a file whose name is two numbers, the patient's and the note's: ``110-03``; "" of another."""
    found = _NUMBERS.fullmatch(name)
    return found[1] if found else ""


def too_many(path: Path, broken: int, files: int, what: str) -> None:
    """Refuse a folder of which more than a tenth of the files could not be read.

    Raises
    ------
    DataError
        that many could not.
    """
    if broken > _MOST * files:
        raise DataError(
            f"{path}: {broken} of {files} files are not {what}; those that are not are in the log. Nothing was used. "
            "Export them again, or set source and path of the notes to what they are."
        )
