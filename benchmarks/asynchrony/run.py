"""One run of one strategy on the virtual clock: the real strategy, real nodes, a learner, and a curve as it goes.

The curve is drawn by a callback, which sees every version as it is made and opens its record as a node would. Under
``bfv`` nothing is really sealed, since sealed updates come to the same integers, bit for bit, in no other time; a
``committee`` is really asked to open every version, since that takes messages. A run is cut off where nothing more is
asked of it.

Not for: which runs are made (``benchmarks.asynchrony.studies``).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import RecordDict

from benchmarks.asynchrony.clock import WireSize, plan_for
from benchmarks.asynchrony.curve import Curve
from client_app.committee.keys import Consortium
from client_app.committee.payloads import CommitteePayloads
from client_app.node import Learner
from client_app.state.accumulators import Accumulators
from client_app.update.payloads import Payloads, Vault
from crossward.config.encryption_schemes import BFV, COMMITTEE
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.config.weight_rules import ASYNC_HYBRID, FEDASYNC, FEDAVG, FEDBUFF
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.statements import Rules
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.ledger.events import Accepted, Assisted, Event, Late, Version
from crossward.ledger.state import RunState
from crossward.protocol.messages import ANSWER
from crossward.simulation.strategy import simulate
from crossward.simulation.virtual_grid import Speed, VirtualClock
from strategies.aggregation.catchup import version_name
from strategies.callbacks import Callback
from strategies.history.journal import MemoryJournal

ASYNC, SYNC = ASYNC_HYBRID, FEDAVG
STRATEGIES = (ASYNC, SYNC, FEDBUFF, FEDASYNC)
NEVER = 1e12  # seconds: nobody fails in these runs, so no deadline may end a task or a round
DIVERGED = 10.0  # times the loss at the start
OPENED = Vault(EncryptionSettings(scheme=COMMITTEE, workers=1), ConsortiumKey(Secret(bytes(range(32)))))
Losses = Callable[[Any], tuple[float, float]]


class Enough(Exception):
    """The curve has all that was asked of the run."""


class Trace(Callback):
    """Measures every version as it is made, from the records in ``journal``.

    Raises :class:`Enough` in the run when ``updates`` are aggregated, when the target is settled (``stop_there``),
    after ``until`` virtual seconds, or when the loss is beyond all hope.
    """

    def __init__(self, run: Run, size: WireSize, clock: VirtualClock, plan: FieldPlan) -> None:
        learner = run.learners[0]
        self.journal = MemoryJournal("asynchrony")
        self.run, self.initial, self.size, self.clock, self.plan = run, learner.initial(), size, clock, plan
        self.curve, self.copy = Curve(), Accumulators()
        self.down = self.up = 0
        self.updates = 0
        self.opener: Payloads | None = None
        self.first = run.losses(self.initial)
        self.curve.add(0.0, 0, 0.0, *self.first, 0.0)

    def __call__(self, content: RecordDict) -> int:
        """Bytes of a content, for the grid; a download counts as it is sent, an upload once it is there."""
        size = self.size(content)
        if size and "version" in content.get("facts", {}) and "record-first" in content["facts"]:
            self.down += size
        return size

    def on_event(self, event: Event, state: RunState) -> None:
        """Count an update's bytes, and measure each new version."""
        if isinstance(event, Accepted | Late) or (isinstance(event, Assisted) and event.kind == ANSWER):
            self.up += self.size.update
        elif isinstance(event, Version):
            self._measure(event, state)

    def _opener(self) -> Payloads:
        """Opens versions as a node does; under the committee scheme that takes the roster in force."""
        sizes, settings = self.run.learners[0].sizes, self.run.settings()
        if self.run.scheme != COMMITTEE:
            return Payloads(sizes, self.plan, Vault())
        rules = Rules(settings.min_contributors, settings.max_share)
        consortium = Consortium(RosterBook.from_bytes(self.journal.roster), rules)
        return CommitteePayloads(sizes, self.plan, OPENED, self.journal.lineage, consortium)

    def _measure(self, made: Version, state: RunState) -> None:
        run, version = self.run, made.version
        facts, record = self.journal.open(version_name(version))
        head = state.versions[version].head(version, str(facts.get("proof", "")))
        self.opener = self.opener or self._opener()
        opened = self.opener.open(record, head)
        self.copy.add(head, opened, self.initial.size, self.plan, run.schedule.versions)
        self.updates += len(made.tasks)
        x = self.copy.vector(self.initial, self.plan, run.schedule)
        loss, worst = run.losses(x)
        stale = float(np.mean(made.staleness))
        self.curve.add(self.clock.now(), self.updates, float(self.down + self.up), loss, worst, stale)
        done = self.updates >= run.updates or self.clock.now() > run.until or not loss < DIVERGED * self.first[0]
        if done or (run.stop_there and loss <= 2 * run.target and self.curve.settled(run.target, run.hold)):
            raise Enough


@dataclass
class Run:
    """What a run is made of. ``learners`` and ``speeds`` by node; ``buffer`` is the cohort of ``fedavg``.

    ``given`` replaces strategy settings.
    """

    strategy: str
    learners: Sequence[Learner]
    speeds: Sequence[Speed]
    losses: Losses
    schedule: Schedule
    buffer: int
    concurrency: int
    values: int
    updates: int
    target: float = 0.0
    hold: int = 1
    stop_there: bool = False
    until: float = float("inf")
    seed: int = 0
    given: dict[str, Any] = field(default_factory=dict)
    scheme: str = BFV

    def settings(self) -> StrategySettings:
        """The strategy's settings: its defaults, and a clock on which nobody fails."""
        buffer = 1 if self.strategy == FEDASYNC else self.buffer
        common: dict[str, Any] = {
            "name": self.strategy,
            "concurrency": 0 if self.strategy == SYNC else self.concurrency,
            "buffer_size": buffer,
            "min_contributors": min(3, buffer),
            "min_nodes": len(self.learners),
            "max_wait": NEVER,
            "task_timeout": NEVER,
            "stall_timeout": NEVER,
            "evaluate_every": 0,
            "snapshot_every": 0,
            "rollback_ratio": 0.0,
        }
        return StrategySettings(**(common | self.given))

    def go(self) -> Curve:
        """Make the run; its curve."""
        logging.getLogger("flwr").setLevel(logging.WARNING)
        logging.getLogger("crossward.node").setLevel(logging.ERROR)  # nodes say whenever an update of theirs came late
        settings = self.settings()
        count = len(self.learners)
        plan = plan_for(count, settings.buffer_size, self.scheme, settings.fine_weight(count))
        clock = VirtualClock()
        trace = Trace(self, WireSize.of(self.values, plan, self.scheme), clock, plan)
        given: dict[str, Any] = {"plan": plan, "clock": clock, "journal": trace.journal, "size": trace}
        given |= {"callbacks": [trace], "vault": OPENED if self.scheme == COMMITTEE else None}
        with contextlib.suppress(Enough):
            simulate(self.learners, settings, self.schedule, self.speeds, seed=self.seed, **given)
        return trace.curve
