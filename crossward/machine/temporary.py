"""Fresh private folders whose path is short enough for Unix sockets.

The kernel allows 107 bytes for a socket's path (macOS 103). Where the usual temporary directory (TMPDIR) is longer, a
folder is made in /tmp or another short place instead, as Ray does.

Not for: files that are to last.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

LONGEST_SOCKET = 103  # bytes of a socket's path, on any system
_PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - mkdtemp makes private folders in them


def short_folder(prefix: str, longest: int, suits: Callable[[Path], bool] = lambda folder: True) -> Path:
    """A new folder (0700) whose path has at most ``longest`` bytes and suits, where there is such a place.

    Otherwise it is in the usual temporary directory.
    """

    def fits(folder: Path) -> bool:
        return len(os.fsencode(folder)) <= longest and suits(folder)

    usual = Path(tempfile.mkdtemp(prefix=prefix))
    if fits(usual):
        return usual
    for place in dict.fromkeys((os.environ.get("XDG_RUNTIME_DIR", ""), *_PLACES)):
        if place and Path(place).is_absolute() and os.access(place, os.W_OK | os.X_OK):
            try:
                found = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
            except OSError:
                continue
            if fits(found):
                usual.rmdir()
                return found
            found.rmdir()
    return usual


def socket_folder(prefix: str, name: str) -> Path:
    """A new folder (0700) for a Unix socket called ``name``.

    Raises
    ------
    OSError
        no place is short enough.
    """
    folder = short_folder(prefix, LONGEST_SOCKET - len(os.fsencode(name)) - 1)
    if len(os.fsencode(folder / name)) > LONGEST_SOCKET:
        folder.rmdir()
        raise OSError(
            f"the path of the socket {folder / name} is too long ({LONGEST_SOCKET} bytes at most), and none of "
            f"{', '.join(_PLACES)} can be written: set TMPDIR to a short folder"
        )
    return folder
