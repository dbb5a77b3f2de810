"""Where this package keeps what it can make again: unpacked models and digests of weights.

Not for: anything that may not be lost. Every write is a temporary file and a rename, so that several
processes may use the cache at once.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def home() -> Path:
    """The folder for caches and local state: ``$CROSSWARD_HOME``, else ``~/.crossward``. Not created."""
    return Path(os.environ.get("CROSSWARD_HOME") or Path.home() / ".crossward").expanduser().absolute()


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with fresh.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
