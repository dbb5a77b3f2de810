"""Imports without garbage collection: PEFT, transformers and what comes with them make objects that all stay.

Python's collector would go through them again and again, for about a second.

Not for: what bitsandbytes imports and logs (``crossward.internals.bitsandbytes``).
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """No garbage is collected meanwhile; for imports."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
