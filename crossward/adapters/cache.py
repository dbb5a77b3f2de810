"""Where this package keeps what it can make again: unpacked models and digests of weights.

Not for: anything that may not be lost. Every write is a temporary file and a rename, so that several
processes may use the cache at once.
"""

from __future__ import annotations

from pathlib import Path

from crossward.adapters.errors import AdapterError
from crossward.machine.paths import PathError, own_folder


def cache_folder(kind: str) -> Path:
    """The folder ``cache/<kind>`` of :func:`crossward.machine.paths.home`, made if it does not exist.

    Raises
    ------
    AdapterError
        it cannot be made, or belongs to another user.
    """
    try:
        return own_folder(f"cache/{kind}")
    except PathError as error:
        raise AdapterError(str(error)) from error
