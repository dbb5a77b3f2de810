"""What a node does with a task: catch up, settle, train, quantise (with noise where the run asks), seal, sign, reply.

The order is the protocol: the state on disk is written before the reply leaves, so a node that is killed
after training has either the old state (its update is lost and its residual unharmed) or the new one (whose
residual is pending until the server says that the update was accepted).

Not for: gradient steps (``client_app.training.learner``) or Flower's records (``crossward.protocol.wire``).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client_app.guard.budget import Budget, BudgetError
from client_app.guard.strikes import Strikes, StruckOutError
from client_app.identity import sign
from client_app.state.accumulators import from_snapshot, take_snapshot
from client_app.state.folder import NodeState, StateFolder
from client_app.training.log import log_training
from client_app.training.trained import Trained, Vector, coarse, uncounted, unreported
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.payloads import MissingKeyError, Payloads, UnopenedError, Vault
from client_app.update.quantise import quantise
from crossward.config.privacy_settings import NO_UNIT
from crossward.config.schedule import Schedule
from crossward.encryption.plan import FieldPlan
from crossward.machine.files import replacing
from crossward.machine.text import printable
from crossward.protocol.measures import Measure
from crossward.protocol.messages import (
    BEHIND,
    BUDGET,
    FAILED,
    WRONG_KEY,
    Evaluation,
    Failure,
    RecordHead,
    Reply,
    Task,
    Update,
)
from crossward.protocol.parts import LARGE, ProtocolError

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
    """A learner that can train with differential privacy; ``units`` patients or notes are protected, 0 without."""

    units: int

    def train_private(self, start: Vector, version: int, noise_multiplier: float) -> Trained:
        """Private local training from ``start`` at ``version``, with noise that nobody can draw again."""


class BehindError(RuntimeError):
    """The task's records do not begin where this node is."""

    tellable = True  # see client_app.guard.refusals


class NotOpenedError(RuntimeError):
    """A record does not open here."""

    tellable = True  # see client_app.guard.refusals

    def __init__(self, record: RecordHead, reason: str) -> None:
        super().__init__(f"the record of versions {record.first} to {record.last} does not open: {reason}")
        self.first, self.last = record.first, record.last


_REFUSALS = (BehindError, BudgetError, MissingKeyError, NotOpenedError, StruckOutError)


@dataclass
class Node:
    """One hospital's node in one run lineage.

    ``strikes_path`` is where it counts what did not open, over all lineages (default: in ``folder``). ``entered`` is
    when the task came, on ``clock``: what was done before there was a node (loading a model) is computing, no transfer.
    ``privacy_unit`` is the run's; with one that hospitals protect, ``budget`` decides on every training before it
    begins, and ``learner`` is a :class:`PrivateLearner`.
    Without ``counts`` an update does not tell the size of the training set: who knows all patients but one could tell
    from it whether that one is there. The mean loss is told as a power of ``loss_grid``. Without ``feedback`` what
    quantising cuts off is dropped. Measures of fewer than ``fewest_held_out`` patients are not told. ``open_seconds``
    is what the last task's records took to open.
    """

    learner: Learner
    folder: Path
    identity: Ed25519PrivateKey
    schedule: Schedule
    seed: int
    clock: Callable[[], float] = time.perf_counter
    durable: bool = True
    vault: Vault = field(default_factory=Vault)
    strikes_path: Path | None = None
    entered: float | None = None
    privacy_unit: str = NO_UNIT
    budget: Budget | None = None
    noise: HospitalNoise | None = None
    feedback: bool = True
    counts: bool = True
    loss_grid: float = 1.0
    fewest_held_out: int = 0

    def __post_init__(self) -> None:
        self.store = StateFolder(self.folder, self.durable)
        self.layout = self.vault.layout(self.learner.layout, len(self.learner.sizes))
        self.total = sum(self.learner.sizes)
        self.open_seconds = 0.0
        self.strikes = Strikes(self.strikes_path or self.folder / "unopened.json", self.durable)

    def _began(self) -> float:
        return self.clock() if self.entered is None else self.entered

    def _seed(self, task: Task, purpose: str) -> int:
        text = f"{self.seed}:{self.learner.site}:{task.version}:{purpose}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")

    def _hash_key(self, task: Task) -> bytes:
        return self.vault.hash_key(f"{task.lineage}:{self.layout}".encode())

    def _payloads(self, task: Task) -> Payloads:
        return Payloads(self.learner.sizes, FieldPlan(*task.plan), self.vault)

    def _catch_up(self, task: Task, settle: bool = True) -> tuple[NodeState, str]:
        """State at the task's version, and its hash.

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
        state.under(self.privacy_unit)
        payloads, began = self._payloads(task), self.clock()
        self._position(state, task, payloads)
        self._add_records(state, task, payloads)
        self.open_seconds = self.clock() - began if task.records or task.snapshot is not None else 0.0
        if settle:
            state.settle(task.accepted)
        digest = state.copy.hash(task.lineage, self._hash_key(task))
        if task.state_hash and task.state_hash != digest:
            self.store.save(NodeState(self.layout))
            raise BehindError(
                f"this node's copy of version {task.version} differs from the other nodes': it starts over"
            )
        state.head = task.head
        self.store.keep_head(task.head)
        return state, digest

    def _position(self, state: NodeState, task: Task, payloads: Payloads) -> None:
        """Put the copy where the task's records begin: at its snapshot, at version 0, or where it is."""
        if task.snapshot is not None:
            head, parts = task.snapshot
            if head.version != task.from_version:
                raise BehindError(f"a snapshot of version {head.version} came for version {task.from_version}")
            try:
                state.copy = from_snapshot(head, parts, payloads, task.versions, task.lineage, self.layout)
            except ProtocolError as error:
                raise BehindError(str(error)) from error
        elif task.from_version == 0 and task.version >= 0 and state.copy.version != 0:
            state.copy = NodeState(self.layout).copy
        if state.copy.version != task.from_version:
            raise BehindError(
                f"the records begin after version {task.from_version}, this node is at {state.copy.version}"
            )

    def _add_records(self, state: NodeState, task: Task, payloads: Payloads) -> None:
        """Open the task's records and add them to the copy, which is then at the task's version."""
        plan = FieldPlan(*task.plan)
        with payloads:
            for record, payload in task.records:
                if record.weight_sum == 0 and not payload.heads:
                    state.copy.skip(record)
                    continue
                what = f"versions {record.first} to {record.last}"
                try:
                    with self.strikes.counting(record.key, what) if record.key else contextlib.nullcontext():
                        opened = payloads.open(payload, record.weight_sum, record.key, record.dithered)
                        state.copy.add(record, opened, self.total, plan, task.versions)
                except UnopenedError as error:
                    raise NotOpenedError(record, str(error)) from error
                if payload.size > LARGE:
                    payload.release()  # training needs the room
        if state.copy.version != task.version:
            raise BehindError(f"the records end at version {state.copy.version}, the task is for {task.version}")

    def _vector(self, state: NodeState, task: Task) -> Vector:
        return state.copy.vector(self.learner.initial(), FieldPlan(*task.plan), self.schedule)

    def train(self, task: Task) -> Reply:
        """A signed update, or why there is none."""
        began, plan = self._began(), FieldPlan(*task.plan)
        try:
            state, digest = self._catch_up(task)
            cost = self.budget.spend() if self.budget is not None else None  # on disk before anything is trained
        except _REFUSALS as error:
            return self._failure(task, error)
        start = self._vector(state, task)
        loop_began = self.clock()
        if cost is None:
            trained = self.learner.train(start, task.version, self._seed(task, "train"))
        else:
            private = cast(PrivateLearner, self.learner)
            trained = private.train_private(start, task.version, cost.noise_multiplier)
        train_seconds = self.clock() - loop_began
        delta = trained.vector
        delta -= start
        del start
        rounded = (quantise if self.noise is None else self.noise.quantise)(
            delta,
            state.residual,
            self.schedule.value_range(task.epoch),
            plan.q_max,
            np.random.default_rng(self._seed(task, "round")),
        )
        seal_began = self.clock()
        del delta
        payloads, snapshot = self._payloads(task), None
        with payloads:
            payload = payloads.seal(rounded.values)
        if task.want_snapshot:
            snapshot = take_snapshot(state.copy, payloads, task.versions, task.lineage, self.layout)
        seal_seconds = self.clock() - seal_began
        state.pending_task, state.pending = task.task, rounded.residual if self.feedback else None
        self.store.save(state)
        exact = trained
        if self.noise is not None:
            trained = unreported(trained, self.schedule)
        else:
            trained = coarse(trained if self.counts else uncounted(trained), self.loss_grid)
        if cost is None:
            log_training(self.folder, task, exact, trained)
        return sign(
            Update(
                lineage=task.lineage,
                task=task.task,
                version=task.version,
                epoch=task.epoch,
                layout=self.layout,
                key=self.vault.fingerprint,
                site=self.learner.site,
                state_hash=digest,
                head=state.head,
                num_examples=trained.num_examples,
                num_tokens=trained.num_tokens,
                loss_sum=trained.loss_sum,
                steps=trained.steps,
                train_seconds=train_seconds,
                compute_seconds=self.clock() - began,
                clipped=rounded.clipped,
                seal_seconds=seal_seconds,
                open_seconds=self.open_seconds,
                privacy_unit=self.privacy_unit,
                local_epsilon=cost.total if cost is not None else 0.0,
                local_epsilon_step=cost.alone if cost is not None else 0.0,
                payload=payload,
                snapshot=snapshot,
            ),
            self.identity,
        )

    def evaluate(self, task: Task) -> Reply:
        """Held-out measures of the global adapter; with the last task also of the untuned base and the own adapter."""
        began = self._began()
        try:
            state, digest = self._catch_up(task, settle=task.last)
        except _REFUSALS as error:
            return self._failure(task, error)
        return self._measured(task, state, digest, began)

    def _measured(self, task: Task, state: NodeState, digest: str, began: float) -> Evaluation:
        models = {"global": self._vector(state, task)}
        if task.last:
            models = {"base": self.learner.initial(), **models}
            if (alone := self._own(len(models["base"]))) is not None:
                models["own"] = alone
        measures = self.learner.evaluate(models)
        if self.fewest_held_out and (patients := measures["global"].patients) < self.fewest_held_out:
            logger.info(
                "the held-out loss is %.4f; it is of %d patients, and of fewer than %d only this log is told",
                measures["global"].loss,
                patients,
                self.fewest_held_out,
            )
            measures = {}
        else:
            logger.info("held-out loss %.4f at version %d", measures["global"].loss, task.version)
        if self.budget is not None and (own := measures.pop("own", None)) is not None:
            logger.info(  # trained without noise: what it measures would tell of the patients that it was trained on
                "alone, this hospital reaches a held-out loss of %.4f (together: %.4f); with privacy.unit = %r only "
                "this log is told",
                own.loss,
                measures["global"].loss,
                self.privacy_unit,
            )
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

    def _own(self, total: int) -> Vector | None:
        """The adapter that this node trained alone; None without one, or with one that cannot be read."""
        if not self.own_path.exists():
            return None
        try:
            with self.own_path.open("rb") as file:
                found = np.lib.format.read_array(file, allow_pickle=False)
            if found.shape != (total,) or found.dtype != np.float32:
                raise ValueError(f"{found.dtype} {found.shape} instead of float32 ({total},)")
        except Exception as error:  # a damaged header makes numpy raise what it likes
            logger.warning(
                "%s, the adapter trained alone, cannot be read (%s: %s): it is not measured",
                self.own_path,
                type(error).__name__,
                error,
            )
            return None
        return cast(Vector, found)

    @property
    def own_path(self) -> Path:
        """Where the adapter that this node trained alone is kept; it never leaves the node."""
        return self.folder / "own.npy"

    def alone(self, task: Task) -> Reply:
        """Train an adapter on this node's notes alone, keep it, and measure it."""
        began = self._began()
        try:
            state, digest = self._catch_up(task)  # before the long work: a node that is behind says so at once
        except _REFUSALS as error:
            return self._failure(task, error)
        steps = task.steps or self.schedule.local_steps * self.schedule.versions
        vector = self.learner.alone(self.learner.initial(), steps, self._seed(task, "alone"))
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.own_path, durable=self.durable) as file:
            np.save(file, vector)
        return self._measured(task, state, digest, began)

    def _failure(self, task: Task, error: Exception) -> Failure:
        held = self.store.load(self.layout).copy.version
        if isinstance(error, NotOpenedError):
            return Failure(task.lineage, task.task, FAILED, str(error), held, error.first, error.last)
        kind = BEHIND if isinstance(error, BehindError) else BUDGET if isinstance(error, BudgetError) else WRONG_KEY
        return Failure(task.lineage, task.task, kind, str(error), held)
