"""Records on a node's disk that several tasks share: one at a time.

Not for: what the records say, writing them (``crossward.machine.files``), or a run lineage's state
(``client_app.state.folder``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

PATIENCE = 60.0  # seconds that a task waits for another


@contextlib.contextmanager
def exclusive(
    path: Path, busy: Exception, unwritten: Callable[[OSError], Exception], patience: float = PATIENCE
) -> Iterator[None]:
    """Hold the lock in the file ``path``, which no other thread or process holds within.

    Raises
    ------
    Exception
        ``busy`` where another held it for longer than ``patience`` seconds; what ``unwritten`` makes of the error where
        the lock's folder or file cannot be made.
    """
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=patience)
    except Timeout as error:  # an OSError, too
        raise busy from error
    except OSError as error:
        raise unwritten(error) from error
    try:
        yield
    finally:
        lock.release()
