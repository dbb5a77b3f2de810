"""What follows from a vertical run's ledger: one fold of its events, shared by live run, resume, progress and report.

Not for: horizontal runs (``crossward.ledger.state``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from crossward.ledger.events import Event, Finished, Session
from crossward.ledger.vertical_events import PartiesMet, PartyAbsent, StepAsked, StepDone, StepFailed

TASKS_PER_SESSION = 32  # bits of a task's number, as of horizontal runs


@dataclass
class VerticalState:
    """Where a vertical run stands.

    ``met`` is who takes part, ``done`` what each party did in each step, ``absent`` which parties a step went on
    without; ``failures`` counts failures of a party in a step. ``messages`` and ``bytes`` are those between aggregator
    and parties, both ways.
    """

    sessions: int = 0
    finished: str | None = None
    met: PartiesMet | None = None
    done: dict[tuple[int, str], StepDone] = field(default_factory=dict)
    absent: dict[tuple[int, str], PartyAbsent] = field(default_factory=dict)
    failures: Counter[tuple[int, str]] = field(default_factory=Counter)
    messages: int = 0
    bytes: int = 0

    def apply(self, event: Event) -> None:
        """Take in the next event of the ledger."""
        match event:
            case Session():
                self.sessions += 1
                self.finished = None
                self.failures.clear()
            case Finished():
                self.finished = event.reason
            case PartiesMet():
                self.met = event
            case StepAsked():
                self.messages += 1
                self.bytes += event.bytes
            case StepDone():
                self.messages += 1
                self.bytes += event.bytes
                self.done[event.step, event.party] = event
            case StepFailed():
                self.messages += 1
                self.failures[event.step, event.party] += 1
            case PartyAbsent():
                self.absent[event.step, event.party] = event

    @property
    def first_task(self) -> int:
        """Tasks of a process that takes up the run now are numbered from here on."""
        return self.sessions << TASKS_PER_SESSION

    def settled(self, step: int, parties: Iterable[str]) -> bool:
        """Whether each of ``parties`` did ``step``, or it went on without them."""
        return all((step, party) in self.done or (step, party) in self.absent for party in parties)

    def reported(self, action: str) -> dict[str, dict[str, float | str]]:
        """The facts that each party reported in its last step of that ``action``."""
        out: dict[str, dict[str, float | str]] = {}
        for event in self.done.values():
            if event.action == action:
                out[event.party] = {
                    name: _value(text) for name, text in zip(event.facts_named, event.values, strict=True)
                }
        return out


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def fold_vertical(events: Iterable[Event]) -> VerticalState:
    """The state after ``events``."""
    state = VerticalState()
    for event in events:
        state.apply(event)
    return state
