"""Handlers of signals for as long as a block lasts; afterwards those of before are back.

A handler that stays behind is inherited by every process that is forked later, and raises there in places that do not
expect it.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # those by which a user or a system asks a process to end


@contextlib.contextmanager
def handled(
    handler: Callable[[int, FrameType | None], object], signals: Sequence[signal.Signals] = ENDING
) -> Iterator[None]:
    """Give ``signals`` to ``handler`` within the block. Main thread only.

    Raises
    ------
    ValueError
        called from another thread.
    """
    before = {one: signal.signal(one, handler) for one in signals}
    try:
        yield
    finally:
        for one, old in before.items():
            signal.signal(one, signal.SIG_DFL if old is None else old)  # None: it was not set from Python
