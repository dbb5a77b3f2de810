"""One federated run in this process, by the product's own parts, and what it cost.

ClientApp, nodes, learners, sealing, the strategy, admission, sums, run folder and ledger are the real ones; only the
grid is :class:`crossward.simulation.virtual_grid.VirtualGrid`. Nodes time their own work by the real clock; the
server's clock is virtual (who answers first must not depend on this machine), so its arithmetic is timed here.

Not for: what a run is worth (``research.compare.quality``).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Context, Message
from numpy.typing import NDArray

from client_app.app import build, build_seat
from client_app.handlers import make_app
from client_app.node import Node
from client_app.training.learner import LoraLearner
from client_app.training.trained import Vector
from client_app.update.keys import simulated_key
from crossward.config.privacy_settings import NO_UNIT
from crossward.config.run_config import RunConfig
from crossward.encryption.aggregator import Arithmetic
from crossward.encryption.dither import KNOWN, Dither
from crossward.encryption.packing import Buffer
from crossward.evaluation.opening import vault_of
from crossward.evaluation.replay import EvaluationError, global_vector, open_run
from crossward.ledger.events import Accepted, Event, Late, Refused, Version
from crossward.ledger.state import RunState
from crossward.protocol.messages import TRAIN, Task, Update
from crossward.protocol.wire import content_size, read_reply
from crossward.simulation.run import run_plan, simulate_run
from crossward.simulation.virtual_grid import Speed, VirtualGrid
from research.compare.memory import Memory, Remembering
from server_app.strategy import kinds_of
from strategies.callbacks import Callback

COMPUTE, LATENCY = 10.0, 0.05  # virtual seconds of a task and a message, the same for every hospital
TURN = 0.1  # more for every training that a hospital did: among equally fast ones, who did the fewest comes first
INSTANT = 1e12  # Mbit/s on the virtual clock: who answers first does not depend on what a method sends


class UnavailableError(EvaluationError):
    """A method cannot be run by this code; the message says what is missing."""


@dataclass
class Cost:
    """What a whole run cost, over all hospitals. Bytes are those of payloads; seconds are of this machine.

    ``seal`` packs or seals updates, ``open`` opens or unpacks the records of other versions, ``add`` checks updates at
    the server and adds them up.
    """

    up: int = 0
    down: int = 0
    seal: float = 0.0
    open: float = 0.0
    add: float = 0.0
    train: float = 0.0
    trainings: int = 0

    @property
    def crypto(self) -> float:
        """Seconds of sealing, opening and adding."""
        return self.seal + self.open + self.add


@dataclass(frozen=True)
class Federated:
    """A finished run: the global adapter, its cost, steps by hospital, and the epsilon that its ledger states."""

    vector: Vector
    cost: Cost
    versions: int
    updates: int
    steps: dict[str, int]
    epsilon: float | None


class _Timed:
    """An arithmetic whose seconds are added to ``cost.add``."""

    def __init__(self, inner: Arithmetic, cost: Cost) -> None:
        self.inner, self.cost = inner, cost

    def check(self, data: Buffer, bits: int, count: int) -> str:
        began = time.perf_counter()
        try:
            return self.inner.check(data, bits, count)
        finally:
            self.cost.add += time.perf_counter() - began

    def combine(
        self,
        parts: Sequence[Buffer],
        weights: Sequence[int],
        bits_in: Sequence[int],
        bits_out: int,
        count: int,
        plain: NDArray[np.int64] | None = None,
    ) -> bytes:
        began = time.perf_counter()
        try:
            return self.inner.combine(parts, weights, bits_in, bits_out, count, plain)
        finally:
            self.cost.add += time.perf_counter() - began


def epsilon_of(events: Iterable[Event]) -> float | None:
    """The largest epsilon that any event of the ledger states; None where none does."""
    names = ("epsilon", "local_epsilon", "hospital_epsilon")
    values = [getattr(event, name, None) for event in events for name in names]
    return max((value for value in values if value is not None and value > 0), default=None)


@dataclass
class _Watch(Callback):
    """Sees every message of a run and every event of its ledger; ``on_version`` is called with every version."""

    private: bool
    on_version: Callable[[int], None]
    turns: Counter[int] = field(default_factory=Counter)
    cost: Cost = field(default_factory=Cost)
    node: Node | None = None
    events: list[Event] = field(default_factory=list)

    def message(self, node: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        self.cost.down += content_size(message.content)
        if message.metadata.message_type == TRAIN:
            self.turns[node] += 1
            self.cost.up += content_size(reply.content)
            content = read_reply(reply.content)
            if isinstance(content, Update):
                self.cost.seal += content.seal_seconds
        if self.node is not None:  # its handler has just run
            self.cost.open += self.node.open_seconds
            self.node = None
        return [(TURN * self.turns[node], reply)]

    def on_event(self, event: Event, state: RunState) -> None:
        self.events.append(event)
        if isinstance(event, Refused) and not isinstance(event, Late):
            raise EvaluationError(f"a task of the comparison failed ({event.name}): {event.reason}")
        if isinstance(event, Version) and self.private and epsilon_of(self.events) is None:
            raise UnavailableError(
                "the first version's ledger lines state no epsilon: this version of the project does not train with "
                "differential privacy (privacy.unit), so no figure is shown for it"
            )
        if isinstance(event, Version):
            self.on_version(event.version)


def fixed_identities(state: Path, hospitals: int) -> None:
    """Give the hospitals the identities that they have in every run.

    What whole numbers cannot share out evenly goes by the order of identities: with new ones in every run, methods that
    train alike would weigh a little differently.
    """
    (state / "identities").mkdir(parents=True)
    for number in range(hospitals):
        key = Ed25519PrivateKey.from_private_bytes((number + 1).to_bytes(32, "big"))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = state / "identities" / f"site-{number}.pem"
        path.touch(mode=0o600)
        path.write_bytes(pem)


def federate(
    config: Mapping[str, Any],
    hospitals: int,
    mbit: float,
    folder: Path,
    learner: LoraLearner,
    memory: Memory,
    on_version: Callable[[int], None] = lambda version: None,
    dither: Dither = KNOWN,
) -> Federated:
    """Run ``config`` to its end in ``folder``; ``learner`` knows the model, ``on_version`` every version.

    Hospitals are equally fast, behind links of ``mbit`` (which the paper's weights ask for), and take turns: after
    every round of updates each has trained as often as the others.

    Raises
    ------
    UnavailableError
        the run was to be private, and nothing of it was.
    EvaluationError
        a task failed.
    """
    read = RunConfig.read(config)
    read = replace(read, strategy=replace(read.strategy, snapshot_every=0))  # nobody joins, and rounds are counted
    plan = run_plan(read, hospitals)
    fixed_identities(read.run.state_root, hospitals)
    watch, trainings = _Watch(read.privacy.unit != NO_UNIT, on_version), list[float]()

    def built(context: Context, task: Task) -> Node:
        node = build(context, task)
        node.learner = Remembering(node.learner, read, memory, trainings)
        watch.node = node
        return node

    simulate_run(
        read,
        folder,
        [Speed(INSTANT, LATENCY, COMPUTE)] * hospitals,
        app=make_app(built, build_seat=build_seat),
        grid=lambda nodes, clock: VirtualGrid(nodes, clock, watch.message),
        callbacks=[watch],
        mbit=[mbit] * hospitals,
        kinds={name: _Timed(inner, watch.cost) for name, inner in kinds_of(read, plan).items()},
        dither=dither,
    )
    run = open_run(folder)
    vault = vault_of(run, simulated_key(read.encryption), learner.adapted)
    vector = global_vector(run, learner.initial(), learner.layout, learner.sizes, vault=vault, shapes=learner.shapes)
    if len(run.versions) != read.schedule.versions:
        raise EvaluationError(f"the run ended at version {len(run.versions)} of {read.schedule.versions}")
    watch.cost.train, watch.cost.trainings = sum(trainings), len(trainings)
    took = {event.task: (event.site, event.steps or 0) for event in run.events if isinstance(event, Accepted)}
    used = [took[task] for made in run.versions for task in made.tasks]
    steps: Counter[str] = Counter()
    for site, count in used:
        steps[site] += count
    return Federated(vector, watch.cost, len(run.versions), len(used), dict(steps), epsilon_of(run.events))
