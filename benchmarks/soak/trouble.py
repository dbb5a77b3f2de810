"""Draws the faults of a soak from a seed, and counts them.

A fault is ``(call) -> [(seconds later, reply), ...]``; ``call.handle()`` lets the node work. Kinds are drawn from a
shuffled bag, so that none is rare; one that does not fit the message at hand stays in the bag for the next.

Not for: the faults themselves (``benchmarks.soak.faults``, ``benchmarks.soak.lies``, ``benchmarks.soak.members``),
the server's own (``benchmarks.soak.server``).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flwr.app import Message, RecordDict

from benchmarks.soak.consortium import UNTRUE, Shared, name_of
from benchmarks.soak.hospitals import Crash, Outcomes, SoakGrid, SoakHospital
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import ANSWER, CONSENT, EVALUATE, MEMBERSHIP, TRAIN, Task, Update
from crossward.protocol.parts import Payload
from crossward.protocol.wire import PAYLOAD, read_reply, read_task

SPARED = 4  # hospitals whose disks keep what is on them: their residuals must add up to the end
QUESTIONS = (MEMBERSHIP, CONSENT, ANSWER)
PAUSE = 300.0  # seconds, at most, that something is away


@dataclass
class Call:
    """A message on its way to a node."""

    world: Faults
    grid: SoakGrid
    node: int
    hospital: SoakHospital
    message: Message
    task: Task
    handle: Callable[[], Message]

    @property
    def rng(self) -> random.Random:
        """The soak's one generator of faults."""
        return self.world.rng

    def reply(self, content: RecordDict) -> Outcomes:
        """``content`` as the node's only reply, without delay."""
        return [(0.0, Message(content=content, reply_to=self.message))]

    def update(self) -> Update | None:
        """The node's honest update; None when it has none to give."""
        reply = self.handle()
        content = read_reply(reply.content)
        return content if isinstance(content, Update) else None


Act = Callable[[Call], Outcomes]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: on which messages, at most how often, whether it costs a node its state, under which scheme.

    ``untrue`` ones befall the one member of the committee that lies and forgets.
    """

    name: str
    act: Act
    on: str = ""
    most: int = 1 << 30
    wipes: bool = False
    scheme: str = ""
    untrue: bool = False


FAULTS: list[Kind] = []


def faults_of(scheme: str) -> list[Kind]:
    """The kinds of fault that a soak under ``scheme`` has."""
    return [kind for kind in FAULTS if kind.scheme in ("", scheme)]


def fault(
    name: str, on: str = "", most: int = 1 << 30, wipes: bool = False, scheme: str = "", untrue: bool = False
) -> Callable[[Act], Act]:
    """Register a kind of fault."""

    def registered(act: Act) -> Act:
        FAULTS.append(Kind(name, act, on, most, wipes, scheme, untrue))
        return act

    return registered


@dataclass
class Faults:
    """Draws faults from a seed and counts them; those of the committee's questions from a bag of their own.

    ``forged`` are tasks whose reply nobody's key vouches for, ``lies`` the lists and subsets for which the untrue
    member signed a wrong share, ``due`` the names of faults that come as soon as they fit a message, ``jumped``
    versions of whose evaluation one hospital lied, ``allowed`` what a member did that it must not, ``asked`` the last
    questions that each member answered.
    """

    rng: random.Random
    rate: float
    foreign: list[Payload]
    shared: Shared
    plan: FieldPlan
    newcomer: Callable[[], SoakHospital | None]
    counts: Counter[str] = field(default_factory=Counter)
    forged: set[int] = field(default_factory=set)
    replies: deque[RecordDict] = field(default_factory=lambda: deque(maxlen=6))
    backups: dict[int, Path] = field(default_factory=dict)
    lies: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    due: set[str] = field(default_factory=set)
    jumped: set[int] = field(default_factory=set)
    allowed: list[str] = field(default_factory=list)
    asked: dict[int, deque[tuple[Task, bytes]]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=2)))
    _bags: dict[bool, list[Kind]] = field(default_factory=lambda: {False: [], True: []})

    def meet(self, grid: SoakGrid, node: int, message: Message, handle: Callable[[], Message]) -> Outcomes:
        """What becomes of ``message``."""
        hospital, task = grid.hospitals[node], read_task(message.content)
        self._look_after(hospital)
        kind = self._draw(message.metadata.message_type, task, hospital)
        call = Call(self, grid, node, hospital, message, task, handle)
        try:
            if kind is None:
                return self._honest(handle(), message.metadata.message_type)
            self.counts[kind.name] += 1
            return kind.act(call)
        except Crash:
            hospital.restart()
            grid.nodes[node].app = hospital.app
            return []
        finally:
            hospital.dies = ""

    def _honest(self, reply: Message, message_type: str) -> Outcomes:
        if message_type == TRAIN and PAYLOAD in reply.content and self.rng.random() < 0.2:
            self.replies.append(reply.content)
        return [(0.0, reply)]

    def _look_after(self, hospital: SoakHospital) -> None:
        """The hospital's engineer deletes a state that cannot be read, and puts a new key file in place, in the end."""
        if hospital.repair:
            hospital.repair -= 1
            if not hospital.repair:
                hospital.lose_state()
        if hospital.keys_due is not None and self.rng.random() < 0.3:
            (hospital.vault, hospital.book), hospital.keys_due = hospital.keys_due, None

    def _draw(self, message_type: str, task: Task, hospital: SoakHospital) -> Kind | None:
        for kind in FAULTS if self.due and not hospital.repair else ():
            if kind.name in self.due and self._fits(kind, message_type, task, hospital):
                self.due.remove(kind.name)
                return kind
        if hospital.repair or self.rng.random() >= (self.rate if message_type == TRAIN else self.rate / 3):
            return None
        committee = message_type in QUESTIONS and self.rng.random() < 0.7
        bag = self._bags[committee]
        if not bag:
            kinds = [kind for kind in faults_of(self.shared.scheme) if (kind.on in QUESTIONS) == committee]
            bag += [kind for kind in kinds if self.counts[kind.name] < kind.most]
            self.rng.shuffle(bag)
        for kind in bag:
            if self._fits(kind, message_type, task, hospital):
                bag.remove(kind)
                return kind
        return None

    @staticmethod
    def _fits(kind: Kind, message_type: str, task: Task, hospital: SoakHospital) -> bool:
        fits = kind.on in ("", message_type) and not (task.last and kind.on == EVALUATE)
        fits &= not kind.untrue or name_of(hospital.number) == UNTRUE
        return fits and not (kind.wipes and hospital.number < SPARED)
