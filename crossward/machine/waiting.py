"""Saying what is waited for: first after a few seconds, then at growing intervals, so that no wait is silent.

Not for: deciding when to stop waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST, LONGEST = 5.0, 600.0  # seconds until the first word, and between later ones at most


class Reminder:
    """When to log while waiting, by whatever clock the caller has.

    ``first`` seconds after the wait began, then after twice as long each time, at most ``longest``.
    """

    def __init__(self, now: float, first: float = FIRST, longest: float = LONGEST) -> None:
        self.first, self.longest = first, longest
        self.reset(now)

    def reset(self, now: float) -> None:
        """The wait is over, or begins anew."""
        self.began = now
        self._pause = self.first
        self._next = now + self.first

    def due(self, now: float) -> bool:
        """Whether to speak now; if so, the next word is due later."""
        if now < self._next:
            return False
        self._pause = min(2 * self._pause, self.longest)
        self._next = now + self._pause
        return True

    def waited(self, now: float) -> float:
        """Seconds since the wait began."""
        return now - self.began


@contextmanager
def announced(say: Callable[[str], None], what: str, first: float = FIRST) -> Iterator[None]:
    """Meanwhile say, at growing intervals, that ``what`` takes so long: ``"{what} (12 s)"``."""
    over = threading.Event()
    reminder = Reminder(time.monotonic(), first)

    def speak() -> None:
        while not over.wait(min(first, 0.5)):
            now = time.monotonic()
            if reminder.due(now):
                say(f"{what} ({reminder.waited(now):.0f} s)")

    thread = threading.Thread(target=speak, name="announcer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
