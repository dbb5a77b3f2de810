"""What a hospital's SuperNode waits for, read from the lines that it prints and reported at growing intervals.

Not for: the node's own work, which logs how far it is (``client_app.training.meter``).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from crossward.internals.flower import NODE_ID, RECEIVING, SENDING, is_waiting
from crossward.machine.waiting import FIRST, Reminder

LONGEST = 3600.0  # seconds: a service that is idle for days need not report it more often
WORKING = 15.0  # seconds without a line while it works, which logs its steps


class WaitReporter:
    """Give it every line; call :meth:`look` again and again."""

    def __init__(self, superlink: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.superlink, self.say, self.clock = superlink, say, clock
        self._reminder = Reminder(clock(), longest=LONGEST)
        self._under_way: set[str] = set()  # kinds of task: short ones are answered while this hospital trains
        self._sending = ""
        self.begins()

    def begins(self) -> None:
        """The SuperNode is about to be started, or has ended."""
        self._under_way.clear()
        self._for(f"{self.superlink} to admit this SuperNode")

    def on_line(self, line: str) -> None:
        """Take in what the SuperNode, or a process of it, printed."""
        if found := RECEIVING.search(line):
            self._under_way.add(found[1])
        elif found := SENDING.search(line):
            self._sending = found[1]
        elif NODE_ID.search(line):
            self._under_way.clear()
        elif is_waiting(line):
            self._under_way.discard(self._sending)
        else:
            if self._reminder.first == WORKING:
                self._reminder.reset(self.clock())
            return
        self._now()

    def _now(self) -> None:
        if self._under_way:
            self._for(
                f"this hospital's own work ({', '.join(sorted(self._under_way))}); see also workers/group.log", WORKING
            )
        else:
            self._for(f"a task from {self.superlink}; a run must start first, with enough hospitals connected")

    def _for(self, what: str, first: float = FIRST) -> None:
        self.what, self._reminder.first = what, first
        self._reminder.reset(self.clock())

    def look(self) -> None:
        """Report what is waited for, if it is time."""
        now = self.clock()
        if self._reminder.due(now):
            self.say(f"waiting for {self.what} ({self._reminder.waited(now):.0f} s)")
