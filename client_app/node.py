"""What a node does with a task: catch up, settle, train, quantise (with noise where the run asks), seal, sign, reply.

The order is the protocol: the state on disk is written before the reply leaves, so a node that is killed
after training has either the old state (its update is lost and its residual unharmed) or the new one (whose
residual is pending until the server says that the update was accepted).

Not for: gradient steps (``client_app.training.learner``) or Flower's records (``crossward.protocol.wire``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client_app.guard.budget import BudgetError, Cost
from client_app.guard.limits import Limits
from client_app.guard.strikes import Strikes, StruckOutError
from client_app.identity import sign
from client_app.personal.result import Personal
from client_app.seeds import derived_seed
from client_app.state.accumulators import take_snapshot
from client_app.state.catch_up import BehindError, NotOpenedError, catch_up
from client_app.state.folder import NodeState, StateFolder
from client_app.state.own_adapter import OwnAdapter
from client_app.training.log import log_training
from client_app.training.trained import Trained, Vector, unreported
from client_app.update.payloads import MissingKeyError, Payloads, Vault
from client_app.update.reporting import Reporting
from client_app.update.sealer import UpdateSealer
from crossward.adapters.ranks import Ranks, Shapes
from crossward.config.personal_settings import NONE, PersonalSettings
from crossward.config.schedule import Schedule
from crossward.encryption.plan import FieldPlan
from crossward.machine.text import printable
from crossward.protocol.measures import Measure
from crossward.protocol.messages import (
    BEHIND,
    BUDGET,
    FAILED,
    WRONG_KEY,
    Evaluation,
    Failure,
    Reply,
    SnapshotHead,
    Task,
    Update,
)
from crossward.protocol.parts import Payload

logger = logging.getLogger("crossward.node")


class Learner(Protocol):
    """What a node needs of its model and notes."""

    layout: str
    sizes: tuple[int, ...]
    site: str

    def initial(self) -> Vector:
        """Version 0 of the adapter, float32 [total], the same on every node."""

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        """Local training from ``start`` at ``version``; ``seed`` decides everything random in it."""

    def alone(self, start: Vector, steps: int, seed: int) -> Vector:
        """Training without the others, over a whole schedule of ``steps`` steps."""

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """Held-out measures of each named adapter."""

    def sensitive_blocks(self, fraction: float) -> tuple[bool, ...]:
        """Which blocks to seal when a ``fraction`` of the values is to be: the same on every node."""

    def close(self, last: bool) -> None:
        """A task is done; with ``last`` the run asks no more of this node."""


class PrivateLearner(Learner, Protocol):
    """A learner that can train with differential privacy; ``units`` patients or notes are protected, 0 without.

    ``shapes`` are those of the layout's blocks.
    """

    units: int
    shapes: Shapes

    def train_private(self, start: Vector, version: int, noise_multiplier: float) -> Trained:
        """Private local training from ``start`` at ``version``, with noise that nobody can draw again."""


class PersonalLearner(Learner, Protocol):
    """A learner that can make a personal adapter."""

    def personal(self, start: Vector, alone: Vector | None, steps: int, seed: int) -> Personal:
        """A personal adapter from the global one, ``start``, in at most ``steps`` steps; see the run's settings."""


_REFUSALS = (BehindError, BudgetError, MissingKeyError, NotOpenedError, StruckOutError)


class _Sealed(NamedTuple):
    """A quantised and sealed delta, the snapshot if one was wanted, the share of values cut off, and the seconds.

    ``committee`` is what the update has for the committee of its scheme.
    """

    payload: Payload
    committee: bytes
    snapshot: tuple[SnapshotHead, tuple[Payload, ...]] | None
    clipped: float
    seconds: float


@dataclass
class Node:
    """One hospital's node in one run lineage, which keeps its state in ``folder``.

    ``sealer`` makes updates of what was trained, ``limits`` bound what they give away, ``reporting`` is what leaves
    beside them. With a budget in ``limits`` the ``learner`` is a :class:`PrivateLearner`. ``entered`` is when the task
    came, on ``clock``: what was done before there was a node (loading a model) is computing, no transfer.
    ``open_seconds`` is what opening the last task's records took. With ``cached`` updates, so many in a full buffer,
    the difference to the node's own cache is sent (``client_app.cached``); 0 without. ``ranks`` are the components of
    the adapter's values where hospitals train different ones.
    """

    learner: Learner
    folder: Path
    identity: Ed25519PrivateKey
    schedule: Schedule
    seed: int
    clock: Callable[[], float] = time.perf_counter
    durable: bool = True
    sealer: UpdateSealer = field(default_factory=UpdateSealer)
    limits: Limits = field(default_factory=Limits)
    reporting: Reporting = field(default_factory=Reporting)
    personal: PersonalSettings | None = None
    entered: float | None = None
    cached: int = 0
    ranks: Ranks | None = None

    def __post_init__(self) -> None:
        self.store = StateFolder(self.folder, self.durable)
        self.own = OwnAdapter(self.folder / "own.npy", self.durable)
        self.personal_adapter = OwnAdapter(self.folder / "personal.npy", self.durable, "the personal adapter")
        self.strikes = Strikes(self.limits.unopened or self.folder / "unopened.json", self.durable)
        self.open_seconds = 0.0
        self.layout = self.vault.layout(self.learner.layout, len(self.learner.sizes))
        self.open_seconds = 0.0

    @property
    def vault(self) -> Vault:
        """What this node seals with."""
        return self.sealer.vault

    def train(self, task: Task) -> Reply:
        """A signed update, or why there is none."""
        began = self._began()
        try:
            state, digest = self._catch_up(task)
            self.sealer.check(task)
            cost = self.limits.spend()  # on disk before anything is trained
        except _REFUSALS as error:
            return self._failure(task, error)
        trained, train_seconds = self._trained(state, task, cost)
        sealed = self._sealed(state, task, trained.vector)
        self.store.save(state)
        public = self.sealer.noise is not None  # constants alone are reported: noise covers the update, nothing else
        reported, noise = unreported(trained, self.schedule), 0.0
        if not public:
            reported, noise = self.reporting.training(trained, task.version, task.versions)
        if cost is None:
            log_training(self.folder, task, trained, reported, noise)
        update = Update(
            lineage=task.lineage,
            task=task.task,
            version=task.version,
            epoch=task.epoch,
            layout=self.layout,
            key=self.vault.fingerprint,
            site=self.learner.site,
            state_hash=digest,
            head=state.head,
            num_examples=reported.num_examples,
            num_tokens=reported.num_tokens,
            loss_sum=reported.loss_sum,
            steps=reported.steps,
            train_seconds=train_seconds,
            compute_seconds=self.clock() - began,
            clipped=sealed.clipped,
            seal_seconds=sealed.seconds,
            open_seconds=self.open_seconds,
            loss_noise=noise,
            privacy_unit=self.limits.privacy_unit,
            local_epsilon=cost.total if cost is not None else 0.0,
            local_epsilon_step=cost.alone if cost is not None else 0.0,
            rank=self.sealer.rank,
            committee=sealed.committee,
            payload=sealed.payload,
            snapshot=sealed.snapshot,
        )
        return sign(update, self.identity)

    def evaluate(self, task: Task) -> Reply:
        """Held-out measures of the global adapter; with the last task also of the untuned base and the own adapter."""
        began = self._began()
        try:
            state, digest = self._catch_up(task, settle=task.last)
        except _REFUSALS as error:
            return self._failure(task, error)
        return self._evaluation(task, state, digest, began)

    def alone(self, task: Task) -> Reply:
        """Train an adapter on this node's notes alone and a personal one, keep both, and measure them."""
        began = self._began()
        try:
            state, digest = self._catch_up(task)  # before the long work: a node that is behind says so at once
        except _REFUSALS as error:
            return self._failure(task, error)
        steps = task.steps or self.schedule.local_steps * self.schedule.versions
        alone = self.learner.alone(self.learner.initial(), steps, self._seed(task, "alone"))
        self.own.write(alone)
        self._personalise(task, state, alone, steps)
        return self._evaluation(task, state, digest, began)

    def _personalise(self, task: Task, state: NodeState, alone: Vector, steps: int) -> None:
        """Make the personal adapter, where the run or the hospital wants one, and keep it."""
        if self.personal is None or self.personal.method == NONE:
            self.personal_adapter.remove()  # one of an earlier end of this run would be taken for this one's
            return
        learner = cast(PersonalLearner, self.learner)
        steps = self.personal.steps or steps
        made = learner.personal(self._vector(state, task), alone, steps, self._seed(task, "personal"))
        self.personal_adapter.write(made.vector)
        logger.info("%s", made.line())

    def _began(self) -> float:
        return self.clock() if self.entered is None else self.entered

    def _seed(self, task: Task, purpose: str) -> int:
        return derived_seed(self.seed, self.learner.site, task.version, purpose)

    def _vector(self, state: NodeState, task: Task) -> Vector:
        return state.copy.vector(self.learner.initial(), FieldPlan(*task.plan), self.schedule, self.ranks)

    def _payloads(self, task: Task) -> Payloads:
        return self.sealer.payloads(self.learner.sizes, FieldPlan(*task.plan), task.lineage)

    def _catch_up(self, task: Task, settle: bool = True) -> tuple[NodeState, str]:
        """The state at the task's version, and its hash.

        Without ``settle`` what the last update left over stays pending: while an update waits for its version it may
        still be refused.
        """
        if task.key and task.key != self.vault.fingerprint:
            raise MissingKeyError(
                f"this run's updates are made under key {task.key}, this node's is {self.vault.fingerprint or 'none'}: "
                "get the consortium's current key file"
            )
        if task.refused:
            logger.warning("the server refused this node's last update: %s", printable(task.refused[:500]))
        state = self.store.load(self.layout)
        state.under(self.limits.privacy_unit)
        began = self.clock()
        catch_up(state, task, self._payloads(task), self.strikes, self.schedule.epoch, self.cached)
        self.open_seconds = self.clock() - began if task.records or task.snapshot is not None else 0.0
        if settle:
            state.settle(task.accepted)
        digest = state.copy.hash(task.lineage, self.vault.hash_key(f"{task.lineage}:{self.layout}".encode()))
        if task.state_hash and task.state_hash != digest:
            self.store.save(NodeState(self.layout, own=state.own))
            raise BehindError(
                f"this node's copy of version {task.version} differs from the other nodes': it starts over"
            )
        state.head = task.head
        self.store.keep_head(task.head)
        return state, digest

    def _trained(self, state: NodeState, task: Task, cost: Cost | None) -> tuple[Trained, float]:
        """A local training, whose ``vector`` becomes the delta from where it started, and its seconds."""
        start = self._vector(state, task)
        began = self.clock()
        if cost is None:
            trained = self.learner.train(start, task.version, self._seed(task, "train"))
        else:
            private = cast(PrivateLearner, self.learner)
            trained = private.train_private(start, task.version, cost.noise_multiplier)
        seconds = self.clock() - began
        delta = trained.vector
        delta -= start
        return trained, seconds

    def _sealed(self, state: NodeState, task: Task, delta: Vector) -> _Sealed:
        """What is sent of ``delta`` and the residual; what quantising cuts off is then pending in ``state``."""
        plan, value_range = FieldPlan(*task.plan), self.schedule.value_range(task.epoch)
        rng = np.random.default_rng(self._seed(task, "round"))
        if self.cached and (cache := state.own.expected(task.accepted, plan.total_weight)) is not None:
            delta -= cache * (self.schedule.value_range(0) / plan.q_max / plan.total_weight)
        self._confine(delta, state.residual)
        rounded = self.sealer.quantise(delta, state.residual, value_range, plan.q_max, rng)
        began, payloads, snapshot = self.clock(), self._payloads(task), None
        with payloads:
            payload, committee = payloads.seal_for(task, rounded.values)
        if task.want_snapshot:
            snapshot = take_snapshot(state.copy, payloads, task.versions, task.lineage, self.layout)
        state.pending_task, state.pending = task.task, rounded.residual if self.sealer.feedback else None
        if self.cached:
            state.pending = None
            state.own.send(task.task, rounded.values, task.epoch)
        return _Sealed(payload, committee, snapshot, rounded.clipped, self.clock() - began)

    def _confine(self, *vectors: Vector | None) -> None:
        """Set components that this hospital does not train to zero, such as a residual's of when it trained more."""
        for vector in vectors:
            if self.ranks is not None and self.sealer.rank and vector is not None:
                self.ranks.confine(vector, self.sealer.rank)

    def _evaluation(self, task: Task, state: NodeState, digest: str, began: float) -> Evaluation:
        models = {"global": self._vector(state, task)}
        if task.last:
            models = {"base": self.learner.initial(), **models}
            if (own := self.own.read(len(models["base"]))) is not None:
                models["own"] = own
            if (personal := self.personal_adapter.read(len(models["base"]))) is not None:
                models["personal"] = personal
        found = self.learner.evaluate(models)
        measures = self.reporting.measures(found, task.version, self.limits.protected)
        self.store.save(state)
        return Evaluation(
            lineage=task.lineage,
            task=task.task,
            version=task.version,
            site=self.learner.site,
            state_hash=digest,
            head=state.head,
            seconds=self.clock() - began,
            measures=measures,
        )

    def _failure(self, task: Task, error: Exception) -> Failure:
        held = self.store.load(self.layout).copy.version
        if isinstance(error, NotOpenedError):
            return Failure(task.lineage, task.task, FAILED, str(error), held, error.first, error.last)
        kind = BEHIND if isinstance(error, BehindError) else BUDGET if isinstance(error, BudgetError) else WRONG_KEY
        return Failure(task.lineage, task.task, kind, str(error), held)
