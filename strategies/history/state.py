"""What the server knows at a moment of a run: what its ledger says, and what ends with the process.

What outlives the process (:attr:`ServerState.run`) changes only by :meth:`ServerState.record`, which writes an event
and applies it. The rest are messages in flight, clocks and measurements, which the modules around it read and change:
``strategies.exchange.dispatch`` asks nodes, ``strategies.exchange.reception`` takes their answers,
``strategies.aggregation.versions`` turns full buffers into versions, ``strategies.async_hybrid`` decides when.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from crossward.config.privacy_settings import NO_UNIT
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.aggregator import Kinds
from crossward.encryption.dither import Dither
from crossward.encryption.plan import FieldPlan
from crossward.ledger.events import Accepted, Event
from crossward.ledger.lines import read_line
from crossward.ledger.state import RunState, fold
from strategies.aggregation.catchup import CatchUp
from strategies.aggregation.snapshots import Snapshots, StateHashes
from strategies.callbacks import Callback
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.claims import Claims
from strategies.exchange.clock import Clock
from strategies.exchange.forecast import Forecast
from strategies.history.journal import Journal
from strategies.history.roster import NodeView, Roster
from strategies.opening.committee import Committee
from strategies.opening.round import Recheck, Round
from strategies.stopping.convergence import Convergence
from strategies.stopping.federated_evaluation import EvaluationRound
from strategies.stopping.hospital_budget import HospitalBudget


class RunError(RuntimeError):
    """The run cannot go on; the message says why and what to do."""


@dataclass
class ServerState:
    """One run lineage at the server.

    ``kinds`` are the kinds of part that the run's encryption policy allows; ``given_key`` is the fingerprint of the
    consortium key that updates must be made under (empty: version 1 fixes it, or nothing is sealed).
    ``privacy_unit`` is the run's ``privacy.unit``, ``budget`` what versions cost hospitals of their privacy (None
    without hospital-level privacy), ``dither`` what hides updates in versions' sums.
    ``committee`` opens the versions (None under schemes without one), ``openings`` are the lists that it is asked
    for, ``opened`` are those, by version, whose answers are kept until enough nodes have verified it, ``rechecks``
    those of which a node could not verify the version.
    ``callbacks`` see every event once it is written and applied; ``ranks`` are those that hospitals may train, none
    where all train all components.

    ``run`` is where the lineage stands; ``resumed`` whether it had begun before, ``expected`` how many hospitals there
    are at least (``strategy.min-nodes``, or as many as the lineage knew). ``stop_reason`` is why no more is
    trained, ``round`` the evaluation round under way, ``progress`` when an answer last helped the run, ``unopened``
    which hospitals could not open which version.
    """

    settings: StrategySettings
    plan: FieldPlan
    schedule: Schedule
    journal: Journal
    clock: Clock
    bandwidths: Bandwidths
    last_task: str
    last_steps: int
    kinds: Kinds
    given_key: str = ""
    privacy_unit: str = NO_UNIT
    budget: HospitalBudget | None = None
    dither: Dither = field(default_factory=Dither)
    callbacks: Sequence[Callback] = ()
    committee: Committee | None = None
    ranks: frozenset[int] = frozenset()
    openings: list[Round] = field(default_factory=list)
    opened: dict[int, Round] = field(default_factory=dict)
    rechecks: dict[int, Recheck] = field(default_factory=dict)
    hashes: StateHashes = field(default_factory=StateHashes)
    next_task: int = 0
    stop_reason: str = ""
    round: EvaluationRound | None = None
    progress: float = 0.0
    version_began: float = 0.0
    unopened: dict[int, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.run: RunState = fold(map(read_line, self.journal.events()))
        self.run.check_known()
        self.roster = Roster(self.run.present)
        self.catch_up = CatchUp(self.run.versions, self.journal, self.plan, self.kinds)
        self.snapshots = Snapshots(self.journal, self.hashes, self.run)
        self.convergence = Convergence(self.settings)
        self.forecast = Forecast(self.settings, self.bandwidths)
        self.claims = Claims(self.settings, self.run.claims)
        self.resumed, self.next_task = self.run.sessions > 0, self.run.first_task
        self.expected = max(self.settings.min_nodes, len(self.run.claims))
        self.ended = self.run.ended
        if self.committee is not None and self.run.committee is not None:
            self.committee.met = self.run.committee.roster
        for version, loss in self.run.losses if self.settings.evaluate_every else self.run.train_losses:
            self.ended = self.convergence.observe(version, loss) or self.ended
        if self.budget is not None:
            self.budget.taken = self.run.taken

    def record(self, event: Event) -> None:
        """Write an event into the ledger, change the state by it, and show it to the callbacks."""
        self.journal.record(event.name, **event.facts())
        self.run.apply(event)
        for callback in self.callbacks:
            callback.on_event(event, self.run)

    @property
    def version(self) -> int:
        """The newest version."""
        return self.run.version

    @property
    def key(self) -> str:
        """Fingerprint of the key that updates must be made under; empty while it is not fixed, or nothing is sealed."""
        return self.given_key or self.run.key

    @property
    def opening(self) -> Round | None:
        """The first list that the committee is being asked for."""
        return self.openings[0] if self.openings else None

    @property
    def free(self) -> list[Accepted]:
        """Updates that wait and are in no list that is being opened."""
        listed = self.run.listed
        return [update for update in self.run.buffer.values() if update.task not in listed]

    @property
    def buffer(self) -> list[Accepted]:
        """Updates that wait for their version, in the order in which they were accepted."""
        return list(self.run.buffer.values())

    def waiting(self, node: int) -> bool:
        """Whether an update of this node waits for its version."""
        return node in self.run.waiting

    def exhausted(self, node: int) -> bool:
        """Whether a node said, since it last joined, that its privacy budget allows no further training."""
        return node in self.run.exhausted

    @property
    def most_weight(self) -> int:
        """The most that a version's integer weights may sum to: W, or what a committee's dithers leave of it."""
        return self.plan.total_weight if self.committee is None else self.committee.most_weight(self.plan)

    @property
    def witnesses(self) -> int:
        """How many hospitals decide whether a version can be opened: one alone may be at fault, or lie."""
        return min(2, max(len(self.roster.present), 1))

    @property
    def max_staleness(self) -> int:
        """Versions that an update may lag behind, for the nodes that are connected now."""
        if self.settings.max_staleness >= 0:
            return self.settings.max_staleness
        return max(10, 4 * math.ceil(len(self.roster.present) / max(self.settings.buffer_size, 1)))

    @property
    def losses_withheld(self) -> bool:
        """Whether nodes keep their training loss to themselves, as it would reveal what is protected."""
        return self.privacy_unit != NO_UNIT

    def may_contribute(self, view: NodeView) -> bool:
        """Whether updates of this node's hospital are still to be had: it is not excluded and has budget left."""
        return not self.exhausted(view.node) and view.hospital not in self.run.excluded

    def with_budget(self) -> tuple[int, int]:
        """Of how many hospitals updates are still to be had, and how many hospitals there are.

        Whoever is away may return, whoever is expected may join. Of a hospital's nodes the one that is there, and came
        last, counts.
        """
        views = sorted(self.roster.nodes.values(), key=lambda view: view.node in self.roster.present)
        able = {view.hospital: self.may_contribute(view) for view in views}
        missing = max(self.expected - len(able), 0)
        return sum(able.values()) + missing, len(able) + missing

    def accepted_of(self, view: NodeView) -> tuple[int, ...]:
        """What a node learns was accepted: its hospital's last task, everybody's while it has not said whose it is.

        A hospital may come back under another Flower node id, and what it left over must not be lost by that.
        """
        if not view.public_key:
            return tuple(self.run.accepted.values())
        return (self.run.accepted[view.hospital],) if view.hospital in self.run.accepted else ()

    def owing(self) -> bool:
        """Whether a connected node still owes an evaluation."""
        return any(self.roster.nodes[node].todo for node in self.roster.present)

    def ask_all(self, kind: str) -> None:
        """Make every connected node owe a task of ``kind``, in a new evaluation round."""
        self.round = EvaluationRound(self.version, self.roster.present)
        for node in self.roster.present:
            self.roster.nodes[node].todo = kind


def multiplier(state: ServerState, version: int, at: int | None = None) -> int:
    """Integer factor that brings an update trained from ``version`` to the unit of what follows version ``at``.

    Default: the newest one.
    """
    return 1 << (state.schedule.epoch(state.version if at is None else at) - state.schedule.epoch(version))


def multiplier_room(state: ServerState) -> int:
    """The largest factor that still leaves every update of a full buffer its weight within W.

    With hospital-level privacy none: an update of an older scale epoch was bounded and noised in coarser units.
    """
    if state.budget is not None:
        return 1
    return state.plan.total_weight // (2 * max(state.settings.buffer_size, 1))
