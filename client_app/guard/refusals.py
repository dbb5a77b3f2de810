"""The part of an error that may leave the hospital.

The run config comes from the aggregator's side, and it chooses file formats, columns and filters: an error that repeats
what it found there (a header that is a note, a column's values, how many rows have one) would send notes in the clear
and past any privacy budget. So texts stay here, in the node's own log, except those of classes that vouch for theirs
with ``tellable = True``: what they say is made of settings, paths, keys and public counts alone. Of the others the
aggregator learns the class, and the function that raised it.

In a simulation one machine is aggregator and hospitals, and everything is reported.

Not for: logging (``client_app.handlers``).
"""

from __future__ import annotations

from pathlib import Path
from traceback import walk_tb

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST = 2000


def in_full(error: BaseException) -> str:
    """The class and the text, of at most 2,000 characters."""
    return f"{type(error).__name__}: {error}"[:_LONGEST]


def redacted(error: BaseException) -> str:
    """As much of an error as may leave the hospital, of at most 2,000 characters."""
    given = getattr(error, "reported", None)  # by a worker, which had the error itself
    if isinstance(given, str):
        return given[:_LONGEST]
    if getattr(error, "tellable", False):
        return in_full(error)
    return (
        f"{type(error).__name__}{_where(error)}: its text may repeat content of this hospital's notes or files, so "
        "it is only in the hospital's own log"
    )


def _where(error: BaseException) -> str:
    """The innermost function of this project that the error came through."""
    found = ""
    for frame, _ in walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_ROOT) and ".venv" not in path.parts:
            found = f" in {path.relative_to(_ROOT)}, {frame.f_code.co_name}"
    return found
