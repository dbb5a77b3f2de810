"""Small records on a node's disk that several tasks share: one at a time, and whole or as before.

Not for: what the records say, or a run lineage's state (``client_app.state.folder``).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

PATIENCE = 60.0  # seconds that a task waits for another
__all__ = ["PATIENCE", "Timeout", "locked", "replace_text", "sync_folder"]


def locked(path: Path, patience: float = PATIENCE) -> FileLock:
    """The lock in the file ``path``, which no other thread or process holds until it is released.

    Raises
    ------
    Timeout
        another held it for longer than ``patience`` seconds. It is an OSError, too: except it first.
    OSError
        the lock's folder or file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    lock.acquire(timeout=patience)
    return lock


def replace_text(path: Path, text: str, durable: bool = True) -> None:
    """Put ``text`` in the place of what the file holds; with ``durable`` it is on disk before this returns.

    Raises
    ------
    OSError
        it could not be written; what was there stays.
    """
    handle, draft = tempfile.mkstemp(".draft", f"{path.stem}.", path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Put the names in the folder ``path`` on disk: a new file's, or one that was replaced."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
