"""Progress of a vertical run for people: one line an event that matters, as it happens.

Not for: machines (``ledger.jsonl`` is), the words themselves (``crossward.report.vertical.words``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console, RenderableType

from crossward.ledger.events import Event
from crossward.ledger.vertical_state import VerticalState
from crossward.machine.text import printable
from crossward.protocol.vertical.program import Step
from crossward.report.vertical.words import event_lines


class VerticalProgress:
    """Prints events."""

    def __init__(self, folder: Path, steps: tuple[Step, ...], clock: Callable[[], float] = time.monotonic) -> None:
        self.console = Console(width=None if Console().is_terminal else 140)
        self.steps, self.clock, self.began = steps, clock, clock()
        self.say(f"Run folder: {folder}")

    def say(self, what: RenderableType) -> None:
        """Print anything."""
        self.console.print(what, highlight=False, soft_wrap=True)

    def on_event(self, event: Event, state: VerticalState) -> None:
        """Print what a reader should know of an event, if anything."""
        for text in event_lines(event, len(self.steps) - 1):
            line = f"[{self.clock() - self.began:6.1f} s] {printable(text, '?')}"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def close(self, state: VerticalState) -> None:
        """The run in two lines."""
        self.say(
            f"{state.messages} messages, {state.bytes / 1e6:.1f} MB of envelopes, sealed from party to party: this "
            "server holds no key to any"
        )
