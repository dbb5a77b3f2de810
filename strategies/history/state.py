"""What the server knows at a moment of a run. The modules around it read and change it; it does nothing.

``strategies.exchange.dispatch`` asks nodes, ``strategies.exchange.reception`` takes their answers,
``strategies.aggregation.versions`` turns full buffers into versions, ``strategies.async_hybrid`` decides when.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from crossward.config.privacy_settings import NO_UNIT
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.aggregator import Kinds
from crossward.encryption.dither import Dither
from crossward.encryption.plan import FieldPlan
from strategies.aggregation.catchup import CatchUp
from strategies.aggregation.snapshots import Snapshots, StateHashes
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.claims import Claims
from strategies.exchange.clock import Clock
from strategies.exchange.forecast import Forecast
from strategies.history.journal import Journal
from strategies.history.restore import Buffered, standing
from strategies.history.roster import NodeView, Roster
from strategies.stopping.convergence import Convergence
from strategies.stopping.federated_evaluation import EvaluationRound
from strategies.stopping.hospital_budget import HospitalBudget

Shape = tuple[tuple[str, int], ...]


class RunError(RuntimeError):
    """The run cannot go on; the message says why and what to do."""


@dataclass
class ServerState:
    """One run lineage at the server.

    ``kinds`` are the kinds of part that the run's encryption policy allows; ``key`` is the fingerprint of the
    consortium key that updates must be made under (empty while it is not fixed, or nothing is sealed).
    ``version`` is the newest version; ``layout`` and ``shape`` are fixed by version 1 (empty before); ``accepted``
    is every hospital's last accepted task; ``progress`` is when an answer last helped the run;
    ``reverting`` are versions that a rollback still has to subtract, ``ended`` why the run
    stopped before it was resumed, ``expected`` how many hospitals there are at least (``strategy.min-nodes``, or as
    many as the lineage has heard of), ``doubts`` which hospitals could not open
    which version, ``void_groups`` who contributed to each void version, ``budget`` what versions cost hospitals of
    their privacy (None without hospital-level privacy), ``dither`` what hides updates in versions' sums,
    ``excluded`` who is asked no more for that, ``under_way`` the tasks that its interruption left without an outcome.
    ``privacy_unit`` is the run's ``privacy.unit``.
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
    key: str = ""
    privacy_unit: str = NO_UNIT
    budget: HospitalBudget | None = None
    dither: Dither = field(default_factory=Dither)
    roster: Roster = field(default_factory=Roster)
    hashes: StateHashes = field(default_factory=StateHashes)
    version: int = 0
    layout: str = ""
    shape: Shape = ()
    buffer: list[Buffered] = field(default_factory=list)
    accepted: dict[str, int] = field(default_factory=dict)
    next_task: int = 0
    stop_reason: str = ""
    round: EvaluationRound | None = None
    progress: float = 0.0
    version_began: float = 0.0
    doubts: dict[int, set[str]] = field(default_factory=dict)
    void_groups: list[set[str]] = field(default_factory=list)
    excluded: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.catch_up = CatchUp(self.journal, self.plan, self.kinds)
        self.snapshots = Snapshots(self.journal, self.hashes)
        self.convergence = Convergence(self.settings)
        self.forecast = Forecast(self.settings, self.bandwidths)
        self.claims = Claims(self.settings)
        past = standing(self.journal.events())
        self.resumed, self.reverting = past.starts > 0, past.reverting
        self.version, self.layout, self.shape = past.version, past.layout, past.shape
        self.key = self.key or past.key
        self.void_groups, self.excluded = past.void_groups, past.excluded
        for version, facts in sorted(past.versions.items()):
            self.catch_up.append(version, facts)
        self.buffer, self.accepted = list(past.buffer.values()), past.accepted
        for hospital, claimed in past.claims.items():
            self.claims.seen(hospital, *claimed)
        self.expected = max(self.settings.min_nodes, len(past.claims))
        self.next_task = past.starts << 32  # ids of a resumed run never meet those of the run before
        self.ended, self.under_way = past.finished, past.under_way
        for version, loss in past.losses if self.settings.evaluate_every else past.train_losses:
            self.ended = self.convergence.observe(version, loss) or self.ended
        if past.snapshot is not None:
            self.snapshots.restore(past.snapshot, past.snapshot_digests)
        if self.budget is not None:
            self.budget.replay(self.journal.events())

    @property
    def max_staleness(self) -> int:
        """Versions that an update may lag behind, for the nodes that are connected now."""
        if self.settings.max_staleness >= 0:
            return self.settings.max_staleness
        return max(10, 4 * math.ceil(len(self.roster.present) / max(self.settings.buffer_size, 1)))

    @property
    def losses_withheld(self) -> bool:
        """Whether nodes keep their training loss to themselves, as it would tell of what is protected."""
        return self.privacy_unit != NO_UNIT

    def may_contribute(self, view: NodeView) -> bool:
        """Whether updates of this node's hospital are still to be had: it is not excluded and has budget left."""
        return not view.exhausted and view.hospital not in self.excluded

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
        """What a node is told was accepted: its hospital's last task, everybody's while it has not said whose it is.

        A hospital may come back under another Flower node id, and what it left over must not be lost by that.
        """
        if not view.public_key:
            return tuple(self.accepted.values())
        return (self.accepted[view.hospital],) if view.hospital in self.accepted else ()

    def owing(self) -> bool:
        """Whether a connected node still owes an evaluation."""
        return any(self.roster.nodes[node].todo for node in self.roster.present)

    def ask_all(self, kind: str) -> None:
        """Make every connected node owe a task of ``kind``, in a new evaluation round."""
        self.round = EvaluationRound(self.version, self.roster.present)
        for node in self.roster.present:
            self.roster.nodes[node].todo = kind


def multiplier(state: ServerState, version: int) -> int:
    """Integer factor that brings an update trained from ``version`` to the unit of the present scale epoch."""
    return 1 << (state.schedule.epoch(state.version) - state.schedule.epoch(version))


def multiplier_room(state: ServerState) -> int:
    """The largest factor that still leaves every update of a full buffer its weight within W.

    With hospital-level privacy none: an update of an older scale epoch was bounded and noised in coarser units.
    """
    if state.budget is not None:
        return 1
    return state.plan.total_weight // (2 * max(state.settings.buffer_size, 1))
