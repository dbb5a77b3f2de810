"""A run as its ledger records it, for people: hospitals by name, tasks as spans of time, versions, held-out losses.

Time runs only while the server ran: the pause before a resumed session is left out.

Not for: where a run stands (``crossward.ledger.state``) or drawing (``crossward.report.figures``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from crossward.ledger import events
from crossward.ledger.events import Event
from crossward.ledger.explain import committee_text
from crossward.ledger.state import RunState
from crossward.protocol.measures import Measure
from crossward.protocol.messages import ANSWER, CONSENT, KINDS, TRAIN
from crossward.report import cost
from crossward.report.lanes import Lane, named
from crossward.report.reported_loss import ExactLoss, exact_mean
from crossward.report.rows import Rows

MEASURED, LOST, UNDER_WAY, CLAMPED = "measured", "lost", "under way", "clamped"
NOTES = (
    *(events.Disagreement, events.SnapshotDropped, events.Repaired),
    *(events.Discarded, events.Excluded, events.Refused),
    *(events.OpeningDropped, events.Liar, events.Corrected),
)


@dataclass
class Span:
    """A task. Moments in seconds of running time; ``compute`` seconds as the hospital reported them.

    ``taken``: when a version took its accepted update, or the end if none did; 0 without one. ``loss`` in nats a token.
    With ``noise`` it is an estimate of the loss on held-out notes.
    ``epsilon``: what the hospital had spent with the update, where it protects examples or patients.
    """

    hospital: int
    kind: str
    version: int
    start: float
    end: float
    outcome: str = UNDER_WAY
    compute: float = 0.0
    down: int = 0
    up: int = 0
    taken: float = 0.0
    loss: float | None = None
    noise: float = 0.0
    epsilon: float | None = None


@dataclass(frozen=True)
class VersionPoint:
    """A version: integer weight and staleness by hospital; ``reverts`` names the version that it subtracts.

    ``key`` is the fingerprint of the key that it is sealed under, ``crypto_share`` encryption's share of its time.
    With ``noise`` its ``train_loss`` is an estimate of the loss on held-out notes.
    ``openers`` are the committee's members that opened it, and ``latency`` what that took.
    """

    number: int
    at: float
    weights: Mapping[int, int]
    staleness: Mapping[int, int]
    train_loss: float | None
    reverts: int | None
    key: str = ""
    crypto_share: float = 0.0
    openers: tuple[str, ...] = ()
    latency: cost.Latency | None = None
    noise: float = 0.0


@dataclass
class Member:
    """A member of the committee: its lane, -1 while unknown, and what it did; ``answered`` are seconds of round trips.

    ``work`` is seconds as it reports them, ``wrong`` the versions for which it answered wrongly.
    """

    name: str
    lane: int = -1
    consents: int = 0
    answered: list[float] = field(default_factory=list)
    work: float = 0.0
    bytes: int = 0
    wrong: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Problem:
    """A failure, or something else that people should know."""

    at: float
    hospital: str
    what: str
    kind: str
    reason: str


@dataclass
class History:
    """A run. ``heldout``: (version, loss, whether every node answered); ``by_hospital``: loss by lane and version.

    ``spans`` are tasks, one at a time at a hospital; ``questions`` are those for the committee's sake, answered beside.
    ``committee`` is the roster in force, ``members`` everybody who was on one, by name in it.
    ``privacy_unit`` is what hospitals protect themselves, empty where they do not. ``rounding`` says how the training
    losses here were rounded by who reported them; empty: they are exact.
    """

    hospitals: list[Lane] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    versions: list[VersionPoint] = field(default_factory=list)
    heldout: list[tuple[int, float, bool]] = field(default_factory=list)
    by_hospital: dict[int, dict[int, float]] = field(default_factory=dict)
    measures: Rows = field(default_factory=dict)
    troubles: list[Problem] = field(default_factory=list)
    sessions: list[float] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    running: float = 0.0
    planned: int = 0
    finished: str | None = None
    questions: list[Span] = field(default_factory=list)
    committee: events.CommitteeMet | None = None
    members: dict[str, Member] = field(default_factory=dict)
    privacy_unit: str = ""
    hospital_privacy: events.HospitalPrivacy | None = None
    hospital_epsilons: list[tuple[int, float]] = field(default_factory=list)
    rounding: str = ""

    def count(self, *outcomes: str) -> int:
        """How many tasks came to one of ``outcomes``."""
        return sum(span.outcome in outcomes for span in self.spans)

    @property
    def last(self) -> int:
        """The newest version."""
        return self.versions[-1].number if self.versions else 0


class _Reader:
    """Takes the ledger's events one by one into a :class:`History`; ``exact`` losses stand in for reported ones."""

    def __init__(self, hospitals: list[Lane], lane: dict[str, int], rounding: str, exact: ExactLoss | None) -> None:
        self.out, self.lane, self.exact = History(hospitals, rounding=rounding if exact is None else ""), lane, exact
        self.run = RunState()
        self.open: dict[int, Span] = {}
        self.by_task: dict[int, Span] = {}
        self.paused, self.last = 0.0, 0.0

    def __call__(self, event: Event) -> None:  # noqa: C901 - one branch an event
        out = self.out
        if isinstance(event, events.Session):
            self._begin_session(event)
        self.run.apply(event)
        at = self.last = max(event.time - self.paused, self.last)
        where = self.lane.get(getattr(event, "node", ""), -1)
        match event:
            case events.Dispatched():
                span = Span(where, event.kind, event.version, at, at, down=event.bytes)
                self.open[event.task] = self.by_task[event.task] = span
                kind = KINDS.get(event.kind)
                (out.questions if kind is not None and kind.beside else out.spans).append(span)
            case events.Assisted():
                self._assisted(event, at)
            case events.Outcome():
                self._close(event, at)
            case events.Version():
                self._version(event, at)
            case events.Liar():
                self._member(event.member).wrong.append(event.version)
            case events.Corrected():
                made = out.versions
                made[:] = [replace(m, openers=event.openers) if m.number == event.version else m for m in made]
            case events.Evaluated() if event.loss is not None:
                out.heldout.append((event.version, event.loss, event.complete))
        if isinstance(event, NOTES):
            name = out.hospitals[where].name if where >= 0 else "the server"
            out.troubles.append(
                Problem(at - out.began, name, event.name, getattr(event, "kind", ""), self._description(event))
            )
        for claim in event.clamped if isinstance(event, events.Accepted) and where >= 0 else ():
            out.troubles.append(Problem(at - out.began, out.hospitals[where].name, CLAMPED, TRAIN, claim))

    def _begin_session(self, event: events.Session) -> None:
        out, now = self.out, event.time
        if not out.sessions:
            out.began = self.last = now
        else:
            self.paused = max(now - self.last, self.paused)
        for span in self.open.values():
            span.end, span.outcome = self.last, LOST
        self.open.clear()
        out.sessions.append(self.last - out.began)

    def _close(self, event: events.Outcome, at: float) -> None:
        span = self.open.pop(event.task, None)
        if span is None:  # refused after all, or nothing that was asked
            if (span := self.by_task.get(event.task)) is not None:
                span.outcome, span.taken, span.loss = event.name, 0.0, None
            return
        span.end, span.outcome = at, event.name
        match event:
            case events.Accepted():
                reported = event.compute_seconds
                span.up, span.epsilon = event.bytes, event.local_epsilon
                if event.local_epsilon is not None:
                    self.out.privacy_unit = event.privacy_unit
                elif self.exact is not None:
                    span.loss = self.exact(event.task)
                elif self.run.promise is None:
                    span.loss, span.noise = event.loss, event.loss_noise
            case events.Measured():
                reported = event.seconds
                if (found := event.measures.get("global")) is not None and found.tokens:
                    self.out.by_hospital.setdefault(span.hospital, {})[span.version] = found.loss
                for model, measure in event.measures.items():
                    self.out.measures[model, str(span.hospital)] = measure
            case _:
                reported = 0.0
        span.compute = min(max(reported, 0.0), at - span.start)

    def _version(self, event: events.Version, at: float) -> None:
        for task in event.tasks:
            if (update := self.by_task.get(task)) is not None:
                update.taken = at
        weights: dict[int, int] = {}
        staleness: dict[int, int] = {}
        for task, weight, stale in zip(event.tasks, event.weights, event.staleness, strict=True):
            if (span := self.by_task.get(task)) is not None:
                weights[span.hospital], staleness[span.hospital] = weight, stale
        loss = event.train_loss if self.run.promise is None else None
        if self.exact is not None:
            loss = exact_mean(event.tasks, event.weights, self.exact) if event.tasks else None
        if event.hospital_epsilon is not None:
            self.out.hospital_epsilons.append((event.version, event.hospital_epsilon))
        where, part = at - self.out.began, cost.share(event)
        opened = event.openers, cost.latency(event), 0.0 if self.exact is not None else event.loss_noise
        self.out.versions.append(
            VersionPoint(event.version, where, weights, staleness, loss, event.reverts, event.key, part, *opened)
        )

    def _member(self, name: str) -> Member:
        return self.out.members.setdefault(name, Member(name))

    def _assisted(self, event: events.Assisted, at: float) -> None:
        span = self.open.pop(event.task, None)
        if span is not None:
            span.end, span.outcome = at, event.name
            span.up, span.compute = event.bytes, min(event.compute_seconds, at - span.start)
        if not event.member or event.kind not in (CONSENT, ANSWER):
            return
        member = self._member(event.member)
        member.lane, member.bytes = self.lane.get(event.node, -1), member.bytes + event.bytes
        member.work += event.compute_seconds
        if event.kind == CONSENT:
            member.consents += 1
        else:
            member.answered.append(event.seconds)

    def _description(self, event: Event) -> str:
        match event:
            case events.Disagreement():
                return f"another state of version {event.version} than the others"
            case events.Repaired():
                return f"{event.torn_bytes} bytes of a torn last line were set aside"
        return committee_text(event, self.run.member) or str(getattr(event, "reason", ""))


def _without_bulk(event: Event) -> Event:
    """The event without large values that no report shows."""
    if isinstance(event, events.Accepted):
        return replace(event, shape=(), digest="", signature="")
    return replace(event, shape=(), digest="") if isinstance(event, events.Version) else event


def read_history(events: Iterable[Event], rounding: str = "", exact: ExactLoss | None = None) -> History:
    """The run that ``events`` record.

    ``rounding``: how hospitals rounded the losses they reported; ``exact`` ones are taken instead, where there are any.
    """
    kept = list(map(_without_bulk, events))
    hospitals, lane = named(kept)
    reader = _Reader(hospitals, lane, rounding, exact)
    for event in kept:
        reader(event)
    out, run = reader.out, reader.run
    out.planned, out.finished, out.hospital_privacy = run.planned, run.finished, run.promise
    out.committee = run.committee
    for name in run.committee.members if run.committee is not None else ():
        out.members.setdefault(name, Member(name))
    for span in reader.open.values():
        span.end, span.outcome = reader.last, UNDER_WAY if out.finished is None else LOST
    for task in run.buffer.keys() & reader.by_task.keys():
        reader.by_task[task].taken = reader.last
    for span in (*out.spans, *out.questions):
        span.start, span.end = span.start - out.began, span.end - out.began
        span.taken = max(span.taken - out.began, 0.0)
    out.ended = kept[-1].time if kept else 0.0
    out.running = reader.last - out.began
    out.measures = {k: v for k, v in out.measures.items() if v.tokens > 0}
    for (model, lane_name), measure in out.measures.items():
        if model == "base":
            out.by_hospital.setdefault(int(lane_name), {})[0] = measure.loss
    if (base := total(out, "base")) is not None:
        out.heldout.insert(0, (0, base.loss, True))
    return out


def total(history: History, model: str) -> Measure | None:
    """Measure of ``model`` over all hospitals, if each that was measured at all was measured with it."""
    lanes = {lane for _, lane in history.measures}
    if not lanes or any((model, lane) not in history.measures for lane in lanes):
        return None
    return sum((history.measures[model, lane] for lane in sorted(lanes)), Measure())
