"""A run under the committee scheme, step by step, with every message that was sent in it and the state before each.

Real aggregator, hospitals, seats and keys, in one process. After :class:`Assembly` is made the run has two versions,
and a third list has its consents and answers; two hospitals' updates wait beside it.

Not for: mutations (``benchmarks.fuzz.spelled``), what becomes of them (``benchmarks.fuzz.committee``).
"""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from flwr.app import Message, RecordDict

from client_app.committee.keys import CommitteeKeys
from client_app.committee.rosters import keys_of_all
from client_app.committee.seat import Seat
from client_app.node import Node
from client_app.update.payloads import Vault
from client_app.update.sealer import UpdateSealer
from crossward.config.encryption_schemes import COMMITTEE
from crossward.config.encryption_settings import SENSITIVE, EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.committee.statements import Rules
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.internals.flower import set_message_id
from crossward.ledger.events import Accepted, Joined
from crossward.protocol.messages import KINDS, TRAIN, Reply, Task
from crossward.protocol.wire import read_task, write_reply
from crossward.simulation.toy import ToyLearner, toy_identity
from crossward.simulation.virtual_grid import VirtualClock, VirtualGrid
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.dispatch import compose
from strategies.exchange.reception import receive
from strategies.history.journal import MemoryJournal
from strategies.history.roster import Flight
from strategies.history.state import ServerState
from strategies.opening.committee import Committee
from strategies.opening.making import begin, finish
from strategies.opening.questions import questions, settle_roster

SECRET = Secret(bytes(range(32)))
SCHEDULE = Schedule(versions=20, local_steps=5, peak=0.05)
PLAN = FieldPlan(8, 7, 2)
HOSPITALS = 6  # four of them on the committee
DIMENSION, STRETCH = 16, 2


@dataclass
class Sent:
    """A message and its reply: what went to ``node``, what came back, and the aggregator before it came."""

    node: int
    flight: Flight
    task: RecordDict
    reply: RecordDict
    before: ServerState


@dataclass
class Assembly:
    """One run of ``lineage``; ``sent`` has its messages by kind, in order."""

    folder: Path
    policy: str
    lineage: str
    dimension: int = DIMENSION
    sent: dict[str, list[Sent]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        blocks = (True, False) if self.policy == SENSITIVE else None
        settings = EncryptionSettings(policy=self.policy, workers=1, scheme=COMMITTEE, stretch=STRETCH)
        self.vault = Vault(settings, ConsortiumKey(SECRET), blocks)
        clock, rules = VirtualClock(), Rules()
        VirtualGrid({}, clock)  # says which run messages belong to
        given = StrategySettings(buffer_size=3, exponents="0,0.5,1"), PLAN, SCHEDULE, MemoryJournal(self.lineage), clock
        kinds, committee = arithmetic(PLAN, self.policy, COMMITTEE), Committee(self.lineage, STRETCH)
        self.state = ServerState(*given, Bandwidths(), "evaluate", 0, kinds, committee=committee)
        names = {f"toy-{n}": toy_identity(n) for n in range(1, HOSPITALS + 1)}
        held = keys_of_all(self.folder / "seats", names, rules, STRETCH)
        self.keys: dict[int, CommitteeKeys] = {n: held[f"toy-{n}"] for n in range(1, HOSPITALS + 1)}
        (self.folder / "seats").mkdir(parents=True)
        self.seats = {n: Seat(keys, self.vault) for n, keys in self.keys.items()}
        self.nodes = {n: self._node(n) for n in self.keys}
        for n in self.state.roster.changes(self.nodes)[0]:
            self.state.record(Joined(node=str(n)))
        self.assist()
        self.fresh: list[Accepted] = []
        for _ in range(3):
            for n in self.nodes:
                if not self.state.waiting(n):
                    self.deliver(*compose(self.state, self.state.roster.nodes[n], TRAIN))
            begin(self.state, self.state.buffer[:3])
            self.assist()
            if self.state.version < 2:
                finish(self.state)
                self.assist()

    def _node(self, n: int) -> Node:
        learner, sealer = ToyLearner(n, SCHEDULE, self.dimension), UpdateSealer(self.vault, committee=self.keys[n])
        return Node(learner, self.folder / str(n), toy_identity(n), SCHEDULE, 0, lambda: 0.0, False, sealer)

    def act(self, n: int, kind: str, task: Task) -> Reply:
        """What hospital ``n`` replies to a task."""
        reply: Reply = getattr(self.seats[n] if KINDS[kind].beside else self.nodes[n], KINDS[kind].act)(task)
        return reply

    def deliver(self, message: Message, flight: Flight) -> None:
        """A hospital answers, and the aggregator takes that in."""
        content = write_reply(self.act(flight.node, flight.kind, read_task(message.content)))
        self.state.roster.launch(str(flight.task), flight)
        before = copied(self.state)
        self.sent[flight.kind].append(Sent(flight.node, flight, message.content, content, before))
        hand_in(self.state, flight, content)

    def assist(self) -> None:
        """Ask and answer whatever is to be asked for the committee's sake."""
        settle_roster(self.state)
        while asked := list(questions(self.state)):
            for message, flight in asked:
                self.deliver(message, flight)
            settle_roster(self.state)


def copied(state: ServerState) -> ServerState:
    """A copy that goes its own way; what never changes is shared."""
    journal = state.journal
    assert isinstance(journal, MemoryJournal)
    shared = (state.settings, state.schedule, state.plan, state.kinds, state.clock, *state.run.versions.values())
    memo: dict[int, object] = {id(one): one for one in shared}
    if state.committee is not None and state.committee.book is not None:
        memo[id(state.committee.book)] = state.committee.book
    memo |= {id(journal.log): list(journal.log), id(journal.payloads): dict(journal.payloads)}
    return copy.deepcopy(state, memo)


def hand_in(state: ServerState, flight: Flight, content: RecordDict) -> None:
    """The aggregator takes in a reply to a task that is under way."""
    asked = Message(content=RecordDict(), dst_node_id=flight.node, message_type=flight.kind)
    set_message_id(asked, str(flight.task))
    receive(state, Message(content=content, reply_to=asked))
