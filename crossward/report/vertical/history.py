"""A vertical run over time: what each party did when, and what was sent to whom.

One fold of the ledger's events, which page, live view and launcher share. Times are seconds that the server ran: what
lies between an interruption and the resumption does not count.

Not for: where a run stands for its relay (``crossward.ledger.vertical_state``), who waited for whom
(``crossward.report.vertical.waiting``), drawing (``crossward.report.vertical.page``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from crossward.config.vertical_settings import VerticalSettings
from crossward.ledger.events import Event, Finished, Joined, Left, Session
from crossward.ledger.vertical_events import PartiesMet, PartyAbsent, StepAsked, StepDone, StepFailed
from crossward.ledger.vertical_state import VerticalState
from crossward.protocol.vertical.messages import HELLO
from crossward.protocol.vertical.program import Step, program

DONE, UNDER_WAY, LOST = "done", "under way", "lost"  # outcomes beside the kinds of failures


@dataclass
class Span:
    """A step that a node was asked to do. ``party`` is empty until the node has introduced itself.

    ``worked`` are seconds by the party's own word; ``received`` and ``sent`` bytes of envelopes.
    """

    node: str
    party: str
    step: int
    action: str
    round: int
    start: float
    end: float
    received: int = 0
    sent: int = 0
    worked: float = 0.0
    outcome: str = UNDER_WAY


@dataclass(frozen=True)
class Trouble:
    """A failure, an absence or a disconnection of ``party`` ``at`` so many seconds; ``what`` names its kind."""

    at: float
    party: str
    what: str
    step: int
    action: str
    reason: str


@dataclass
class Traffic:
    """Envelopes: how many, and their bytes."""

    count: int = 0
    bytes: int = 0


@dataclass
class VerticalHistory:
    """Call it with every event in order.

    ``last`` is the last event's time; ``sessions`` and ``ended`` (by step) are seconds of running time; ``planned`` is
    the number of steps, ``steps`` what they are. ``sent`` is by sender and receiver, ``kinds`` by kind of envelope.
    """

    settings: VerticalSettings | None = None
    state: VerticalState = field(default_factory=VerticalState)
    last: float = 0.0
    began: float = 0.0
    planned: int = 0
    steps: tuple[Step, ...] = ()
    sessions: list[float] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    ended: dict[int, float] = field(default_factory=dict)
    sent: dict[tuple[str, str], Traffic] = field(default_factory=dict)
    kinds: dict[str, Traffic] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)  # node -> party, of this session
    present: dict[str, float] = field(default_factory=dict)  # node -> since when it is connected
    _open: dict[int, Span] = field(default_factory=dict)
    _paused: float = 0.0

    @property
    def finished(self) -> str | None:
        """Why the run ended; None while it goes on."""
        return self.state.finished

    @property
    def running(self) -> float:
        """Seconds that the server has run until the last event."""
        return self.at(self.last)

    @property
    def parties(self) -> tuple[str, ...]:
        """All parties in the order of the ring; empty before all have introduced themselves."""
        return self.state.met.parties if self.state.met is not None else ()

    @property
    def holder(self) -> str:
        """The party that has the outcome; empty before all have introduced themselves."""
        return self.state.met.holder if self.state.met is not None else ""

    @property
    def current(self) -> int:
        """The step that the run stands at: the newest one that was asked of anybody."""
        return max((span.step for span in self.spans), default=0)

    @property
    def done(self) -> int:
        """How many steps are done by all, or were gone on from."""
        return self.planned if self.finished is not None else len(self.ended)

    def at(self, time: float) -> float:
        """Running time at ``time`` of the present session."""
        return max(time - self._paused - self.began, 0.0) if self.sessions else 0.0

    def doing(self) -> list[Span]:
        """What is under way, oldest first."""
        return list(self._open.values())

    def missing(self, step: int) -> list[str]:
        """Parties that have not settled ``step``."""
        if self.state.met is None or step >= len(self.steps):
            return []
        wanted = self.steps[step].parties(self.parties, self.holder)
        return [] if step in self.ended else [party for party in wanted if not self.state.settled(step, (party,))]

    def __call__(self, event: Event) -> None:
        """Take in the next event."""
        if isinstance(event, Session):
            self._begin(event)
        self.last = max(event.time, self.last)
        self.state.apply(event)
        at = self.running
        match event:
            case Joined():
                self.present[event.node] = at
            case Left():
                self._left(event, at)
            case PartiesMet():
                self._introduced(at)
            case StepAsked():
                self._ask(event, at)
            case StepDone():
                self._finish(event, at)
            case StepFailed():
                self._fail(event, at)
            case PartyAbsent():
                self._trouble(at, event.party, event.name, event.step, event.action, event.reason)
                self._settle(event.step, at)
            case Finished():
                self._close(self._open, LOST, at)

    def _begin(self, event: Session) -> None:
        if not self.sessions:
            self.began = event.time
        else:
            self._paused += max(event.time - self.last, 0.0)
        self._close(self._open, LOST, self.running if self.sessions else 0.0)
        self.owners.clear()
        self.present.clear()
        self.sessions.append(max(event.time - self._paused - self.began, 0.0))
        self.planned, self.steps = event.last, _steps(self.settings, event.last)

    def _ask(self, event: StepAsked, at: float) -> None:
        earlier = {task: span for task, span in self._open.items() if span.node == event.node}
        self._close(earlier, DONE, at)  # its introduction, which has no line of its own
        if event.party:
            if event.node not in self.owners:
                for span in self.spans:
                    if span.node == event.node and not span.party:
                        span.party = event.party
            self.owners[event.node] = event.party
        span = Span(event.node, event.party, event.step, event.action, event.round, at, at, event.bytes)
        self.spans.append(span)
        self._open[event.task] = span

    def _introduced(self, at: float) -> None:
        self._close({task: span for task, span in self._open.items() if span.action == HELLO}, DONE, at)
        self.ended.setdefault(0, at)

    def _finish(self, event: StepDone, at: float) -> None:
        for receiver, kind, size in zip(event.receivers, event.kinds, event.sizes, strict=True):
            for found in (
                self.sent.setdefault((event.party, receiver), Traffic()),
                self.kinds.setdefault(kind, Traffic()),
            ):
                found.count, found.bytes = found.count + 1, found.bytes + size
        if (span := self._open.pop(event.task, None)) is not None:
            span.end, span.outcome, span.sent = at, DONE, event.bytes
            span.worked = min(max(event.worked, 0.0), at - span.start)
        self._settle(event.step, at)

    def _fail(self, event: StepFailed, at: float) -> None:
        self._close({task: span for task, span in self._open.items() if task == event.task}, event.kind, at)
        party = event.party or self.owners.get(event.node, "")
        self._trouble(at, party or unnamed(event.node), event.kind, event.step, event.action, event.reason)

    def _left(self, event: Left, at: float) -> None:
        self.present.pop(event.node, None)
        lost = {task: span for task, span in self._open.items() if span.node == event.node}
        owner = self.owners.pop(event.node, "")
        party = event.hospital or owner
        if party and party not in self.owners.values():  # else it came back at another node before
            at_work = next(iter(lost.values()), None)
            where = (at_work.step, at_work.action) if at_work is not None else (-1, "")
            self._trouble(at, party, event.name, *where, "")
        self._close(lost, LOST, at)

    def _settle(self, step: int, at: float) -> None:
        if step not in self.ended and step < len(self.steps) and not self.missing(step):
            self.ended[step] = at

    def _close(self, spans: dict[int, Span], outcome: str, at: float) -> None:
        for task, span in list(spans.items()):
            span.end, span.outcome = at, outcome
            self._open.pop(task, None)

    def _trouble(self, at: float, party: str, what: str, step: int, action: str, reason: str) -> None:
        self.troubles.append(Trouble(at, party, what, step, action, reason))


def unnamed(node: str) -> str:
    """What a node is called before it has introduced itself."""
    return f"node …{node[-4:]}"


def _steps(settings: VerticalSettings | None, planned: int) -> tuple[Step, ...]:
    """The program that ``settings`` give, if it has ``planned`` steps."""
    if settings is None:
        return ()
    found = program(settings, settings.parties)
    return found if len(found) == planned else ()


def read_vertical(events: Iterable[Event], settings: VerticalSettings | None) -> VerticalHistory:
    """The run that ``events`` record; tasks under way end at the last event."""
    history = VerticalHistory(settings)
    for event in events:
        history(event)
    for span in history.doing():
        span.end = history.running
    return history
