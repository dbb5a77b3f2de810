"""Draws the faults of a soak from a seed, and counts them.

A fault is ``(call) -> [(seconds later, reply), ...]``; ``call.handle()`` lets the node work. Kinds are drawn from a
shuffled bag, so that none is rare; one that does not fit the message at hand stays in the bag for the next.

Not for: the faults themselves (``benchmarks.soak.faults``, ``benchmarks.soak.lies``), the server's own
(``benchmarks.soak.server``).
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flwr.app import Message, RecordDict

from benchmarks.soak.hospitals import Crash, Outcomes, SoakGrid, SoakHospital
from client_app.update.payloads import Vault
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import EVALUATE, Task, Update
from crossward.protocol.parts import Payload
from crossward.protocol.wire import PAYLOAD, read_reply, read_task

SPARED = 4  # hospitals whose disks keep what is on them: their residuals must add up to the end
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
    """A kind of fault: on which messages, at most how often, and whether it costs a node its state."""

    name: str
    act: Act
    on: str = ""
    most: int = 1 << 30
    wipes: bool = False


KINDS: list[Kind] = []


def fault(name: str, on: str = "", most: int = 1 << 30, wipes: bool = False) -> Callable[[Act], Act]:
    """Register a kind of fault."""

    def registered(act: Act) -> Act:
        KINDS.append(Kind(name, act, on, most, wipes))
        return act

    return registered


@dataclass
class Faults:
    """Draws faults from a seed and counts them. ``forged`` are tasks whose reply nobody's key vouches for."""

    rng: random.Random
    rate: float
    foreign: list[Payload]
    wrong_key: Vault
    plan: FieldPlan
    newcomer: Callable[[], SoakHospital | None]
    counts: Counter[str] = field(default_factory=Counter)
    forged: set[int] = field(default_factory=set)
    replies: deque[RecordDict] = field(default_factory=lambda: deque(maxlen=6))
    backups: dict[int, Path] = field(default_factory=dict)
    _bag: list[Kind] = field(default_factory=list)

    def meet(self, grid: SoakGrid, node: int, message: Message, handle: Callable[[], Message]) -> Outcomes:
        """What becomes of ``message``."""
        hospital, task = grid.hospitals[node], read_task(message.content)
        self._look_after(hospital)
        kind = self._draw(message.metadata.message_type, task, hospital)
        call = Call(self, grid, node, hospital, message, task, handle)
        try:
            if kind is None:
                return self._honest(handle())
            self.counts[kind.name] += 1
            return kind.act(call)
        except Crash:
            hospital.restart()
            grid.nodes[node].app = hospital.app
            return []
        finally:
            hospital.dies = ""

    def _honest(self, reply: Message) -> Outcomes:
        if PAYLOAD in reply.content and self.rng.random() < 0.2:
            self.replies.append(reply.content)
        return [(0.0, reply)]

    def _look_after(self, hospital: SoakHospital) -> None:
        """The hospital's engineer deletes a state that cannot be read, and puts a new key file in place, in the end."""
        if hospital.repair:
            hospital.repair -= 1
            if not hospital.repair:
                hospital.lose_state()
        if hospital.vault_due is not None and self.rng.random() < 0.3:
            hospital.vault, hospital.vault_due = hospital.vault_due, None

    def _draw(self, message_type: str, task: Task, hospital: SoakHospital) -> Kind | None:
        if hospital.repair or self.rng.random() >= (self.rate / 3 if message_type == EVALUATE else self.rate):
            return None
        if not self._bag:
            self._bag = [kind for kind in KINDS if self.counts[kind.name] < kind.most]
            self.rng.shuffle(self._bag)
        for kind in self._bag:
            fits = kind.on in ("", message_type) and not (task.last and kind.on == EVALUATE)
            if fits and not (kind.wipes and hospital.number < SPARED):
                self._bag.remove(kind)
                return kind
        return None
