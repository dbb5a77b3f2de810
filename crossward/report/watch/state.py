"""What each hospital's node is doing, from the ledger's events alone, one at a time.

A row belongs to a hospital, known by the identity that signed its updates; a node that has not answered yet has a row
of its own. The ledger does not say how long a failed node is left in peace: it pauses until it is asked again.

Not for: reading the file (``crossward.report.watch.follow``), drawing (``crossward.report.watch.view``), a run's whole
history (``crossward.report.history``).
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from crossward.ledger import events
from crossward.ledger.events import Event
from crossward.ledger.state import RunState
from crossward.protocol.messages import KINDS
from crossward.report import cost
from crossward.report.reported_loss import ExactLoss
from crossward.report.svg import clean
from crossward.report.watch.follow import NOTES
from crossward.report.watch.row import (
    ABSENT,
    CLAMPED,
    EXCLUDED,
    IDLE,
    LEFT,
    PAUSING,
    SPENT,
    WAITING,
    Row,
    Updates,
)

NOTABLE = (
    events.Left,
    events.Evaluated,
    events.Discarded,
    events.Excluded,
    events.Disagreement,
    events.SnapshotDropped,
    events.Repaired,
    events.Resumed,
    events.Refused,
    events.CommitteeMet,
    events.OpeningDropped,
    events.Liar,
    events.Corrected,
)
NAME, REASON, PACES = 64, 200, 7  # most characters of two, versions that give the pace
NODE = "node-"  # what a hospital's name begins with while its identity is unknown


@dataclass
class _Node:
    """A node of the present session; ``doing`` is empty when no task is under way, ``reason`` after a success."""

    number: int
    since: float
    key: str = ""
    task: int = -1
    doing: str = ""
    version: int | None = None
    deadline: float | None = None
    failures: int = 0
    reason: str = ""


class Estimate(NamedTuple):
    """Of the held-out loss, nats a token, by what the contributors to ``version`` reported with ``noise``."""

    version: int
    loss: float
    noise: float


class WatchState:
    """Call it with every event in order, then ask what holds at a moment. ``run`` is where the run stands.

    ``last`` is the last event's time, ``notes`` the last notable events, each with its hospital's name. ``accepted``
    and the bytes are the whole run's; ``failures`` counts failures and clamped reports by kind.

    ``rounding``: how the training losses of its rows are rounded. Empty: they are exact, as always with ``exact``.
    """

    def __init__(self, rounding: str = "", exact: ExactLoss | None = None) -> None:
        self.rounding, self._exact = rounding if exact is None else "", exact
        self.run, self.last = RunState(), 0.0
        self.estimate: Estimate | None = None
        self.notes: deque[tuple[str, Event]] = deque(maxlen=NOTES)
        self.failures: Counter[str] = Counter()
        self.accepted, self.bytes_up, self.bytes_down = 0, 0, 0
        self._session_began, self._ran = 0.0, 0.0
        self._version_began: float | None = None  # from the first task of a session on
        self._paces: deque[float] = deque(maxlen=PACES)
        self._latencies: deque[cost.Latency | None] = deque(maxlen=PACES)
        self._hospitals: dict[str, Updates] = {}
        self._nodes: dict[str, _Node] = {}
        self._owners: dict[str, str] = {}  # node -> hospital, of all sessions
        self._newest = -1  # task
        self._excluded: dict[str, float] = {}  # when it was

    @property
    def finished(self) -> str | None:
        """Why the run ended; None while it goes on."""
        return self.run.finished

    def moment(self, now: float) -> float:
        """``now``, or the run's end if that was before."""
        return self.last if self.finished is not None else max(now, self.last)

    def elapsed(self, now: float) -> float:
        """Seconds that the run took until ``now``, without those between an interruption and the resumption."""
        return self._ran + self.moment(now) - self._session_began if self.run.sessions else 0.0

    def pace(self) -> float | None:
        """Seconds a version: the median of the last few."""
        return median(self._paces) if self._paces else None

    def latency(self) -> cost.Latency | None:
        """What opening a version took its committee: the median of the last few; None without one."""
        return cost.typical(self._latencies)

    def to_go(self, now: float) -> float | None:
        """Seconds to the last version, by :meth:`pace`."""
        pace, versions = self.pace(), self.run.planned - self.run.version
        if pace is None or versions <= 0 or self.finished is not None:
            return None
        began = self._session_began if self._version_began is None else self._version_began
        return pace * (versions - 1) + max(pace - (self.moment(now) - began), 0.0)

    def rows(self, now: float) -> list[Row]:
        """Every hospital, by name; those without one last."""
        nodes: dict[str, _Node] = {}
        for node in self._nodes.values():  # of a hospital's nodes the one that is there and came last
            if (other := nodes.get(node.key)) is None or self._order(node) >= self._order(other):
                nodes[node.key] = node
        waiting = {u.hospital: u.time for u in self.run.buffer.values()} if self.finished is None else {}
        names = {key: self.name(key) for key in self._hospitals}
        twins, now = Counter(names.values()), self.moment(now)
        names |= {k: f"{n} ({clean(k.removeprefix(NODE)[:6])})" for k, n in names.items() if twins[n] > 1}
        order = sorted(names, key=lambda key: (not self._hospitals[key].site, names[key].casefold(), key))
        return [self._row(names[key], key, nodes.get(key), waiting.get(key), now) for key in order]

    def name(self, key: str) -> str:
        """A hospital's site, or what of its key is shown."""
        return (self._hospitals[key].site if key in self._hospitals else "") or clean(key, NAME)

    def _row(self, name: str, key: str, node: _Node | None, waiting: float | None, now: float) -> Row:
        state, since, detail = IDLE, node.since if node is not None else self._session_began, ""
        if node is None or not self._present(node):
            state, detail = ABSENT if node is None else LEFT, "" if waiting is None else WAITING
        elif node.doing:
            state, detail = node.doing, EXCLUDED if key in self._excluded else ""
        elif key in self._excluded:
            state, since = EXCLUDED, max(since, self._excluded[key])
        elif node.number in self.run.exhausted and self.finished is None:
            state = SPENT
        elif waiting is not None:
            state, since = WAITING, waiting
        elif node.reason and self.finished is None:
            state, detail = PAUSING, node.reason
        version = node.version if node is not None else None
        at_most = node.deadline if node is not None and self._present(node) and node.doing else None
        return Row(name, state, max(now - since, 0.0), version, self._hospitals[key], detail, at_most)

    def _present(self, node: _Node) -> bool:
        return node.number in self.run.present

    def _order(self, node: _Node) -> tuple[bool, float]:
        return self._present(node), node.since

    def __call__(self, event: Event) -> None:  # noqa: C901 - one branch an event
        """Take in the next event."""
        at = max(event.time, self.last)
        if isinstance(event, events.Session):
            self._begin_session(at)
        self.last = at
        node = self._node(event, at) if hasattr(event, "node") else None
        waited = self._taken_out(event)
        self.run.apply(event)
        for update in waited:
            if (owner := self._nodes.get(update.node)) is not None:
                self._rest(owner, at)
        kind = KINDS.get(getattr(event, "kind", ""))
        match event:
            case events.Assisted() if node is not None:
                self._hospitals[node.key].bytes_up += event.bytes
            case events.Dispatched() if node is not None and kind is not None and kind.beside:
                self._hospitals[node.key].bytes_down += event.bytes
            case events.Outcome() if not waited and not (kind is not None and kind.beside):
                self._answered(event, node, at)
            case events.Dispatched() if node is not None:
                self._version_began = at if self._version_began is None else self._version_began
                self._newest = node.task = event.task
                node.doing = kind.doing if kind is not None else "at work"
                node.version = event.version
                node.since, node.reason, node.deadline = at, "", event.deadline_seconds
                self._hospitals[node.key].bytes_down += event.bytes
            case events.Joined() if node is not None:
                self._rest(node, at)
            case events.Left() if node is not None:
                node.since = at
            case events.Version():
                if event.train_loss is not None and event.loss_noise and self._exact is None:
                    self.estimate = Estimate(event.version, event.train_loss, event.loss_noise)
                if event.reverts is None and self._version_began is not None:
                    self._paces.append(at - self._version_began)
                self._version_began = at
                if event.reverts is None:
                    self._latencies.append(cost.latency(event))
            case events.Discarded():
                for other in self._nodes.values():  # nobody pauses any longer: it was the version's fault
                    other.failures, other.reason = 0, ""
            case events.Excluded():
                self._excluded[event.hospital] = at
        clamped = bool(getattr(event, CLAMPED, ()))
        back = isinstance(event, events.Joined) and self._version_began is not None
        reverting = isinstance(event, events.Version) and event.reverts is not None
        if isinstance(event, NOTABLE) or back or reverting or clamped:
            key = node.key if node is not None else getattr(event, "hospital", "") or getattr(event, "node", "")
            self._note(self.name(key), event)
        self._add_up(event)

    def _taken_out(self, event: Event) -> list[events.Accepted]:
        """Updates that wait until this event: a version takes them, or they are refused after all."""
        tasks = (
            event.tasks
            if isinstance(event, events.Version)
            else (event.task,)
            if isinstance(event, events.Refused)
            else ()
        )
        return [self.run.buffer[task] for task in tasks if task in self.run.buffer]

    def _rest(self, node: _Node, at: float) -> None:
        """What a node waited for, or did, is over."""
        node.since = at if self._present(node) and not node.doing else node.since

    def _add_up(self, event: Event) -> None:
        if isinstance(event, events.Dispatched):
            self.bytes_down += event.bytes
        elif isinstance(event, events.Accepted):
            self.accepted, self.bytes_up = self.accepted + 1, self.bytes_up + event.bytes
            self.failures.update([CLAMPED] if event.clamped else ())
        elif isinstance(event, events.Assisted):
            self.bytes_up += event.bytes
        elif isinstance(event, events.Refused):
            self.failures[event.name] += 1

    def _note(self, name: str, event: Event) -> None:
        if getattr(event, CLAMPED, ()):  # one for each hospital: some are clamped in every update
            others = [(who, kept) for who, kept in self.notes if who != name or not getattr(kept, CLAMPED, ())]
            self.notes = deque(others, maxlen=NOTES)
        self.notes.append((name, event))

    def _begin_session(self, at: float) -> None:
        """A run begins or goes on: nodes join anew, and no task is under way."""
        self._ran += self.last - self._session_began if self.run.sessions else 0.0
        self._session_began, self._version_began = at, None
        self._hospitals = {key: found for key, found in self._hospitals.items() if not key.startswith(NODE)}
        self._nodes.clear()

    def _node(self, event: Any, at: float) -> _Node | None:
        """The node that an event (with a ``node``) speaks of, known by what it says of its hospital."""
        name: str = event.node
        node = self._nodes.get(name)
        if node is None:
            if not isinstance(event, events.Joined | events.Dispatched):
                return None  # of an earlier session, or never asked
            node = self._nodes[name] = _Node(int(name), at)
        key, site = getattr(event, "hospital", ""), clean(getattr(event, "site", ""), NAME)
        if not key or key.startswith(NODE):  # the server itself knows a node only by the update that it signed
            key = self._owners.get(name) or (site and self._namesake(site)) or node.key or NODE + name
        if key != node.key:
            nameless = self._hospitals.pop(node.key, None) if node.key.startswith(NODE) else None
            self._hospitals.setdefault(key, nameless or Updates())
            node.key = key
        if not key.startswith(NODE):
            self._owners[name] = key
        self._hospitals[key].site = site or self._hospitals[key].site
        return node

    def _namesake(self, site: str) -> str:
        """The only hospital of that name, if it has no node in this session."""
        found = [key for key, updates in self._hospitals.items() if updates.site == site]
        taken = {node.key for node in self._nodes.values()}
        return found[0] if len(found) == 1 and found[0] not in taken else ""

    def _answered(self, event: events.Outcome, node: _Node | None, at: float) -> None:
        if node is None or not (event.task == node.task or event.task > self._newest):
            return  # of an earlier session, or answered already
        node.task, node.doing = -1, ""
        self._rest(node, at)
        match event:
            case events.Accepted():
                self._hospitals[node.key].add(event, self._exact)
            case events.Measured() if (found := event.measures.get("global")) is not None and found.tokens:
                self._hospitals[node.key].heldout = found.loss
        if isinstance(event, events.Accepted | events.Measured):
            node.failures, node.reason = 0, ""
        elif isinstance(event, events.Refused) and not isinstance(event, events.Late | events.OverBudget):
            at_once = isinstance(event, events.Behind) and node.failures == 0
            node.failures += 1
            node.reason = "" if at_once else clean(event.reason, REASON) or "no reason given"
