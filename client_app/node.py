"""What a node does with a task: catch up, settle, train, quantise, sign, reply.

The order is the protocol: the state on disk is written before the reply leaves, so a node that is killed
after training has either the old state (its update is lost and its residual unharmed) or the new one (whose
residual is pending until the server says that the update was accepted).

Not for: gradient steps (``client_app.learner``) or Flower's records (``protocol.wire``).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from client_app.accumulators import close_values, from_snapshot, take_snapshot
from client_app.identity import sign
from client_app.quantise import quantise
from client_app.state import NodeState, StateFolder
from encryption.plan import FieldPlan
from protocol.measures import Measure
from protocol.messages import BEHIND, Evaluation, Failure, Reply, Task, Update
from protocol.schedule import Schedule

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Trained:
    """Outcome of a local training: ``vector`` float32 [total] and public facts.

    ``loss_sum`` (nats) is summed over exactly ``num_tokens`` predicted tokens; ``num_examples`` is the size of the
    training set in examples.
    """

    vector: Vector
    num_examples: int
    num_tokens: int
    loss_sum: float
    steps: int


class Learner(Protocol):
    """What a node needs of its model and notes."""

    layout: str
    sizes: tuple[int, ...]
    site: str

    def initial(self) -> Vector:
        """Version 0 of the adapter, float32 [total], the same on every node."""

    def train(self, start: Vector, version: int, rng: np.random.Generator) -> Trained:
        """Local training from ``start`` at ``version``."""

    def alone(self, start: Vector, steps: int, rng: np.random.Generator) -> Vector:
        """Training without the others, over a whole schedule of ``steps`` steps."""

    def evaluate(self, models: dict[str, Vector]) -> dict[str, Measure]:
        """Held-out measures of each named adapter."""


class BehindError(RuntimeError):
    """The task's records do not begin where this node is."""


@dataclass
class Node:
    """One hospital's node in one run lineage."""

    learner: Learner
    folder: Path
    identity: Ed25519PrivateKey
    schedule: Schedule
    seed: int
    clock: Callable[[], float] = time.perf_counter
    durable: bool = True

    def __post_init__(self) -> None:
        self.store = StateFolder(self.folder, self.durable)

    def _rng(self, task: Task, purpose: str) -> np.random.Generator:
        text = f"{self.seed}:{self.learner.site}:{task.version}:{purpose}"
        return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))

    def _hash_key(self, task: Task) -> bytes:
        return f"{task.lineage}:{self.learner.layout}".encode()

    def _catch_up(self, task: Task) -> tuple[NodeState, str]:
        """State at the task's version, and its hash."""
        state = self.store.load(self.learner.layout)
        sizes, plan = self.learner.sizes, FieldPlan(*task.plan)
        if task.snapshot is not None:
            head, payloads = task.snapshot
            if head.version != task.from_version:
                raise BehindError(f"a snapshot of version {head.version} came for version {task.from_version}")
            state.copy = from_snapshot(head, payloads, sizes, plan, task.versions)
        elif task.from_version == 0 and task.version >= 0 and state.copy.version != 0:
            state.copy = NodeState(self.learner.layout).copy
        if state.copy.version != task.from_version:
            raise BehindError(
                f"the records begin after version {task.from_version}, this node is at {state.copy.version}"
            )
        for record, payload in task.records:
            state.copy.add(record, payload, sizes, plan)
        if state.copy.version != task.version:
            raise BehindError(f"the records end at version {state.copy.version}, the task is for {task.version}")
        state.settle(task.accepted)
        digest = state.copy.hash(task.lineage, self._hash_key(task))
        if task.state_hash and task.state_hash != digest:
            self.store.save(NodeState(self.learner.layout))
            raise BehindError(
                f"this node's copy of version {task.version} differs from the other nodes': it starts over"
            )
        state.head = task.head
        self.store.keep_head(task.head)
        return state, digest

    def _vector(self, state: NodeState, task: Task) -> Vector:
        return state.copy.vector(self.learner.initial(), FieldPlan(*task.plan), self.schedule)

    def train(self, task: Task) -> Reply:
        """A signed update, or why there is none."""
        began, plan = self.clock(), FieldPlan(*task.plan)
        try:
            state, digest = self._catch_up(task)
        except BehindError as error:
            return self._behind(task, error)
        start = self._vector(state, task)
        loop_began = self.clock()
        trained = self.learner.train(start, task.version, self._rng(task, "train"))
        train_seconds = self.clock() - loop_began
        rounded = quantise(
            trained.vector - start,
            state.residual,
            self.schedule.value_range(task.epoch),
            plan.q_max,
            self._rng(task, "round"),
        )
        snapshot = None
        if task.want_snapshot:
            snapshot = take_snapshot(state.copy, self.learner.sizes, plan, task.versions)
        state.pending_task, state.pending = task.task, rounded.residual
        self.store.save(state)
        return sign(
            Update(
                lineage=task.lineage,
                task=task.task,
                version=task.version,
                epoch=task.epoch,
                layout=self.learner.layout,
                key="",
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
                payload=close_values(rounded.values, self.learner.sizes, plan),
                snapshot=snapshot,
            ),
            self.identity,
        )

    def evaluate(self, task: Task) -> Reply:
        """Held-out measures of the global adapter; with the last task also of the untuned base and the own adapter."""
        began = self.clock()
        try:
            state, digest = self._catch_up(task)
        except BehindError as error:
            return self._behind(task, error)
        models = {"global": self._vector(state, task)}
        if task.last:
            models = {"base": self.learner.initial(), **models}
            if self.own_path.exists():
                models["own"] = np.load(self.own_path)
        measures = self.learner.evaluate(models)
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

    @property
    def own_path(self) -> Path:
        """Where the adapter that this node trained alone is kept; it never leaves the node."""
        return self.folder / "own.npy"

    def alone(self, task: Task) -> Reply:
        """Train an adapter on this node's notes alone, keep it, and measure it."""
        began = self.clock()
        try:
            self._catch_up(task)  # before the long work, so that a node that is behind says so at once
        except BehindError as error:
            return self._behind(task, error)
        steps = task.steps or self.schedule.local_steps * self.schedule.versions
        vector = self.learner.alone(self.learner.initial(), steps, self._rng(task, "alone"))
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / "own.draft.npy"
        np.save(draft, vector)
        draft.replace(self.own_path)
        reply = self.evaluate(task)
        return replace(reply, seconds=self.clock() - began) if isinstance(reply, Evaluation) else reply

    def _behind(self, task: Task, error: BehindError) -> Failure:
        held = self.store.load(self.learner.layout).copy.version
        return Failure(task.lineage, task.task, BEHIND, str(error), held)
