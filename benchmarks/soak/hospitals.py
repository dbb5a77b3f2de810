"""Hospitals of a soak: real nodes on their own disks, and the grid between them and the server.

A hospital keeps its number, identity and folder whatever happens to it; its Flower node id, its process and what is on
its disk may change. The grid asks ``Trouble`` what becomes of every message. What a node trained by and what its update
holds is written to a file (``Books``), so that it can be checked afterwards and takes no memory.

Not for: the faults themselves (``benchmarks.soak.faults``).
"""

from __future__ import annotations

import heapq
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from flwr.app import Context, Error, Message, RecordDict

from benchmarks.soak.consortium import Shared
from client_app.committee.keys import CommitteeKeys
from client_app.committee.seat import Seat
from client_app.handlers import make_app
from client_app.node import Node
from client_app.state.folder import StateFolder
from client_app.training.trained import Trained
from client_app.update.payloads import Vault
from client_app.update.quantise import Quantised
from client_app.update.sealer import UpdateSealer
from crossward.config.schedule import Schedule
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.plan import FieldPlan
from crossward.internals.flower import set_message_id
from crossward.protocol.messages import KINDS, Task, Update
from crossward.protocol.wire import content_size, read_reply
from crossward.simulation.toy import ToyLearner, toy_identity
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode

DIMENSION = 16
Outcomes = list[tuple[float, Message]]


class Crash(BaseException):
    """A node's process is gone; no handler may turn it into a reply."""


class Books:
    """Every update that left a node: its task, hospital and scale epoch, what it trained by, what it holds."""

    ROW = np.dtype(
        [("task", "i8"), ("hospital", "i4"), ("epoch", "i4"), ("delta", "f8", DIMENSION), ("integers", "i8", DIMENSION)]
    )

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, *row: Any) -> None:
        """Append one update."""
        with self.path.open("ab") as file:
            file.write(np.array([row], self.ROW).tobytes())

    def rows(self) -> np.ndarray:
        """All updates so far, a structured array of ``ROW``."""
        return np.fromfile(self.path, self.ROW)


@dataclass
class SoakHospital:
    """One hospital; ``dies`` is when its process goes during the present task, ``wiped`` whether its state was lost.

    ``repair`` counts the tasks that fail until somebody looks after its disk.
    """

    number: int
    folder: Path
    schedule: Schedule
    plan: FieldPlan
    shared: Shared
    vault: Vault
    book: RosterBook
    books: Books
    dies: str = ""
    wiped: bool = False
    repair: int = 0
    keys_due: tuple[Vault, RosterBook] | None = None
    app: Any = field(init=False)
    delta: np.ndarray = field(default_factory=lambda: np.zeros(DIMENSION))
    integers: np.ndarray = field(default_factory=lambda: np.zeros(DIMENSION, np.int64))

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new process on the same disk."""
        self.app = make_app(self._node, build_seat=self._seat if self.shared.has_committee else None)

    def lose_state(self) -> None:
        """Delete the state folder, as a replaced disk would."""
        self.wiped = True
        shutil.rmtree(self.folder, ignore_errors=True)

    def store(self) -> StateFolder:
        """The state folder, opened anew for each task and not synced to disk."""
        return StateFolder(self.folder, durable=False)

    def layout(self) -> str:
        """The layout fingerprint that the hospital's updates are bound to."""
        return self.vault.layout(f"toy-layout-{DIMENSION}", 2)

    @property
    def identity(self) -> Any:
        """The hospital's signing key, the same in all sessions."""
        return toy_identity(self.number + 1)

    def handle(self, message: Message, context: Context) -> Message:
        """Let the node work; what it is about to send is noted."""
        reply: Message = self.app(message, context)
        update = read_reply(reply.content)
        if isinstance(update, Update):
            self.books.note(update.task, self.number, update.epoch, self.delta, self.integers)
        return reply

    def keys(self) -> CommitteeKeys | None:
        """What it holds of the committee scheme. Its process may go as it signs: what is on its disk is then."""
        keys = self.shared.keys(self.number, self.book)
        return None if keys is None else replace(keys, sign=self._sign)

    def _sign(self, data: bytes) -> bytes:
        if self.dies == "signing":
            raise Crash
        signature: bytes = self.identity.sign(data)
        return signature

    def _seat(self, context: Context, task: Task) -> Seat:
        keys = self.keys()
        assert keys is not None  # only a scheme with a committee has seats
        return Seat(keys, self.vault)

    def _node(self, context: Context, task: Task) -> Node:
        learner = ToyLearner(self.number, self.schedule, DIMENSION, examples=10 * (self.number % 4 + 1))
        sealer = _NotedSealer(self.vault, committee=self.keys(), hospital=self)
        return _Watched(learner, self.folder, self.identity, self.schedule, 0, lambda: 0.0, False, sealer).of(self)


@dataclass(frozen=True)
class _NotedSealer(UpdateSealer):
    """Its hospital knows what is sealed."""

    hospital: SoakHospital | None = None

    def quantise(self, *given: Any) -> Quantised:
        made = super().quantise(*given)
        assert self.hospital is not None
        self.hospital.integers = made.values.astype(np.int64)
        return made


class _Watched(Node):
    """A node that dies when it is told to; its hospital knows what it trained by."""

    def of(self, hospital: SoakHospital) -> Node:
        train, save, name = self.learner.train, self.store.save, self.store._name

        def trained(start: Any, version: int, seed: int) -> Trained:
            if hospital.dies == "training":
                raise Crash
            done = train(start, version, seed)
            hospital.delta = (done.vector - start).astype(np.float64)
            return done

        def saved(state: Any) -> None:
            save(state)
            if hospital.dies == "saved":
                raise Crash

        def named(facts: dict[str, Any]) -> None:
            if hospital.dies == "saving":
                raise Crash
            name(facts)

        self.learner.train = trained  # type: ignore[method-assign]
        self.store.save, self.store._name = saved, named  # type: ignore[method-assign]
        return self


class Trouble(Protocol):
    """Decides what becomes of a message: ``handle`` lets the node's handler run and gives its reply."""

    def meet(self, grid: SoakGrid, node: int, message: Message, handle: Callable[[], Message]) -> Outcomes:
        """Replies to ``message`` for ``node``, with the seconds that each takes; none when it is lost."""


class SoakGrid(VirtualGrid):
    """The grid of all sessions of the server: its clock and its nodes go on when the server does not."""

    def __init__(self, clock: VirtualClock, trouble: Trouble) -> None:
        super().__init__({}, clock)
        self.trouble = trouble
        self.hospitals: dict[int, SoakHospital] = {}
        self.sent = self.delivered = self.batch = 0
        self._next_id = 100

    def connect(self, hospital: SoakHospital, speed: Speed, joins: float) -> int:
        """A SuperNode of ``hospital`` registers: a new Flower node id."""
        self._next_id += 1
        context = Context(run_id=1, node_id=self._next_id, node_config={}, state=RecordDict(), run_config={})
        self.nodes[self._next_id] = VirtualNode(hospital.app, context, speed, joins)
        self.hospitals[self._next_id] = hospital
        return self._next_id

    def disconnect(self, node: int) -> VirtualNode:
        """The node is gone for good under this id."""
        self.nodes[node].leaves = min(self.nodes[node].leaves, self.clock.now())
        return self.nodes[node]

    def forget(self, rng: random.Random, share: float) -> int:
        """A ServerApp died: a new one has a new Flower run, and gets few of the replies to the old one's messages."""
        kept = [row for row in self._queue if rng.random() >= share]
        lost = len(self._queue) - len(kept)
        heapq.heapify(kept)
        self._queue = kept
        return lost

    def on_their_way(self) -> list[RecordDict]:
        """What replies hold that have not come yet: the network's memory, not the server's."""
        return [reply.content for _, _, reply in self._queue if reply.has_content()]

    def _push(self, message: Message) -> str:
        message_id = f"message-{next(self._count)}"
        set_message_id(message, message_id)
        node_id = message.metadata.dst_node_id
        node, hospital = self.nodes[node_id], self.hospitals[node_id]
        self.sent += 1
        size, beside = content_size(message.content), KINDS[message.metadata.message_type].beside
        for extra, reply in self.trouble.meet(self, node_id, message, lambda: hospital.handle(message, node.context)):
            moved = size + (content_size(reply.content) if reply.has_content() else 0)
            arrival = self.clock.now() + node.speed.seconds(moved, beside) + extra
            heapq.heappush(self._queue, (arrival, next(self._count), reply))
        return message_id

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Replies that have arrived; they are counted as delivered to the server."""
        out = list(super().pull_messages(message_ids))
        self.arrivals.clear()
        self.delivered, self.batch = self.delivered + len(out), len(out)
        return out


def flower_error(message: Message, code: int) -> Message:
    """A reply in which Flower itself reports ``code``."""
    return Message(Error(code=code, reason=f"error {code} of Flower's"), reply_to=message)
