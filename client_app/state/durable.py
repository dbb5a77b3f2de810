"""Records on a node's disk that several tasks share: one at a time.

Not for: what the records say, or a run lineage's state (``client_app.state.folder``).
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

PATIENCE = 60.0  # seconds that a task waits for another
__all__ = ["PATIENCE", "Timeout", "locked"]


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
