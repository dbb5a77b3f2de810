"""Progress of a vertical run for people: one line an event that matters, as it happens.

Not for: machines (``ledger.jsonl`` is).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console, RenderableType

from crossward.ledger import events
from crossward.ledger.events import Event
from crossward.ledger.vertical_events import PartiesMet, PartyAbsent, StepDone, StepFailed
from crossward.ledger.vertical_state import VerticalState
from crossward.machine.text import printable
from crossward.protocol.vertical.messages import (
    APPROACH,
    BLIND,
    COMBINE,
    DISTIL,
    FINISH,
    MATCH,
    PIN,
    RAISE,
    REPRESENT,
)
from strategies.vertical.program import Step

SAID = {
    BLIND: "blinded its set of patients",
    RAISE: "blinded another party's set, hop {round}",
    MATCH: "compared the blinded sets",
    PIN: "knows which of its patients are in common",
    REPRESENT: "learnt representations of its patients",
    COMBINE: "trained the joint model, exchange {round}",
    APPROACH: "improved its representations, exchange {round}",
    FINISH: "finished the joint model",
    DISTIL: "trained a model that predicts alone",
}
"""What a party did in a step, for people."""


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
        for text in self._lines(event):
            line = f"[{self.clock() - self.began:6.1f} s] {printable(text, '?')}"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _lines(self, event: Event) -> Iterator[str]:
        last = len(self.steps) - 1
        match event:
            case events.Session():
                yield f"{event.name} at step {event.version} of {event.last}"
            case PartiesMet():
                members = ", ".join(f"{name} ({holds})" for name, holds in zip(event.parties, event.holds, strict=True))
                yield f"parties: {members}; {event.holder} has the outcome; roster {event.roster[:16]}"
            case StepDone():
                said = SAID[event.action].format(round=event.round)
                facts = "".join(
                    f"; {name} {value}"
                    for name, value in zip(event.facts_named, map(_short, event.values), strict=True)
                )
                sent = f", sends {event.bytes / 1e3:.0f} kB" if event.bytes else ""
                yield f"step {event.step}/{last}: {event.party} {said} in {event.worked:.1f} s{sent}{facts}"
            case StepFailed():
                who = event.party or event.node
                reason = next(iter(event.reason.strip().splitlines()), "no reason given")
                yield f"  step {event.step} ({event.action}), {who}: {event.kind}: {reason[:300]}"
            case PartyAbsent():
                yield f"  step {event.step} goes on without {event.party}, away for {event.seconds:.0f} s"
            case events.Joined() | events.Left():
                yield f"{event.name}: {event.node}"
            case events.Finished():
                yield f"finished: {event.reason}"

    def close(self, state: VerticalState) -> None:
        """The run in two lines."""
        self.say(
            f"{state.messages} messages, {state.bytes / 1e6:.1f} MB of envelopes, sealed from party to party: this "
            "server holds no key to any"
        )


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value
