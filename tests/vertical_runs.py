"""Vertical runs in one process for tests: real parties with small tables, on the virtual clock, with a real journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from client_app.vertical.errors import PartyError
from client_app.vertical.keys import PartyKeys
from client_app.vertical.party import Action, Party, Turn
from client_app.vertical.registry import ACTIONS, action_of
from crossward.config.run_config import RunConfig
from crossward.encryption.committee.roster import Roster
from crossward.encryption.identity import public_of
from crossward.encryption.secret import Secret
from crossward.ledger.events import Event
from crossward.ledger.vertical_state import VerticalState
from crossward.protocol.vertical.messages import (
    APPROACH,
    COMBINE,
    EMBEDDINGS,
    FAILED,
    FINISH,
    PREDICTIONS,
    REFUSED,
    REPRESENT,
    TARGETS,
    Answer,
    NotDone,
    Work,
)
from crossward.protocol.vertical.wire import read_work, write_answer
from crossward.simulation.virtual_grid import Fault, Speed, VirtualClock, VirtualGrid, VirtualNode
from data.party import PartyData
from strategies.history.journal import Journal, MemoryJournal
from strategies.vertical.relay import Relay

NAMES = ("clinic", "hospital", "laboratory")
FOURTH = "registry"
HOLDER = "hospital"
WRITTEN = {"clinic": "{:06d}", "hospital": "MRN-{:06d}", "laboratory": "{}", FOURTH: "{:09d}"}
COMMON = range(100, 220)
OWN = {"clinic": range(300, 320), "hospital": range(400, 440), "laboratory": range(500, 510), FOURTH: range(600, 630)}
SETTINGS: dict[str, Any] = {"run.scenario": "vertical", "vertical.exchanges": 1, "vertical.embedding": 4}


def table(name: str, numbers: Iterable[int], seed: int = 3) -> PartyData:
    """The patients of these ``numbers`` at a party: two features each; the outcome depends on those of all parties."""
    chosen, rng = np.array(sorted(numbers)), np.random.default_rng(seed)
    hidden = rng.normal(size=(1000, 3))
    values = np.stack([hidden[chosen, (*NAMES, FOURTH).index(name) % 3], rng.normal(size=1000)[chosen]], 1)
    odds = 2.0 * hidden.sum(1) + 1.5 * hidden[:, 0] * hidden[:, 1]
    outcome = (odds > 0).astype(np.uint8)[chosen] if name == HOLDER else None
    patients = tuple(WRITTEN[name].format(number) for number in chosen)
    return PartyData(patients, values, ("a", "b"), outcome=outcome)


def own_tables(names: Iterable[str] = NAMES) -> dict[str, PartyData]:
    """A table for each party: the common patients and a few of its own."""
    return {name: table(name, [*COMMON, *OWN[name]]) for name in names}


def passing(party: Party, turn: Turn) -> None:
    """An action that trains nothing: sends what its step's kind of envelope is, and keeps what it got."""
    kinds = {one.kind for one in turn.work.inbox}
    got = {kind: sorted(turn.mail.opened(turn.work.inbox, kind)) for kind in sorted(kinds)}
    turn.facts["got"] = repr(got)
    if turn.work.action in SENT:
        kind = SENT[turn.work.action]
        for other in turn.others if party.has_outcome else (turn.holder,):
            turn.mail.send(other, kind, [f"{party.keys.name} {turn.work.step}".encode(), b"second"])


SENT = {REPRESENT: EMBEDDINGS, APPROACH: EMBEDDINGS, COMBINE: TARGETS, FINISH: PREDICTIONS}
PASSING: dict[str, Action] = dict.fromkeys(ACTIONS, passing)
"""Actions for tests of what is between parties."""


@dataclass
class Consortium:
    """Parties with ``data``, whose folders are in ``root``; ``act`` replaces what a party does with a step.

    ``act`` gets the party's name, the step and what does it.
    """

    root: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: dict[str, PartyData] = field(default_factory=own_tables)
    actions: Mapping[str, Action] | None = None
    act: Callable[[str, Work, Callable[[], Answer]], Answer] = lambda name, work, do: do()

    def __post_init__(self) -> None:
        names = self.names = tuple(self.data)
        self.config = RunConfig.read(SETTINGS | {"vertical.parties": len(names)} | dict(self.settings))
        self.identities = {name: Ed25519PrivateKey.generate() for name in names}
        self.roster = Roster({name: public_of(key) for name, key in self.identities.items()}, names, 1)
        self.secret = Secret.generate()

    def party(self, name: str, lineage: str) -> Party:
        """The party as its node makes it for every step."""
        folder = self.root / lineage / name
        keys = PartyKeys(self.identities[name], self.roster, self.secret, folder, lineage)
        data = self.data[name]
        return Party(
            keys,
            self.config,
            folder,
            lambda: data,
            "a table",
            data.outcome is not None,
            self.actions.__getitem__ if self.actions is not None else action_of,
            prefix="MRN" if name == HOLDER else "",
        )

    def app(self, name: str) -> ClientApp:
        """The party's ClientApp."""
        app = ClientApp()

        @app.train("vertical")
        def step(message: Message, context: Context) -> Message:
            work, answer = read_work(message.content), None
            try:
                answer = self.act(name, work, lambda: self.party(name, work.lineage).act(work))
            except Exception as error:
                kind = REFUSED if isinstance(error, PartyError) else FAILED
                answer = NotDone(work.lineage, work.task, work.step, kind, f"{type(error).__name__}: {error}")
            return Message(content=write_answer(answer), reply_to=message)

        return app

    def run(
        self,
        journal: Journal | None = None,
        nodes: Mapping[int, VirtualNode] | None = None,
        fault: Fault | None = None,
        observers: Iterable[Callable[[Event, VerticalState], None]] = (),
        parties: int | None = None,
    ) -> VerticalState:
        """Run the program to its end."""
        clock = VirtualClock()
        grid = VirtualGrid(dict(nodes or self.nodes()), clock, fault)
        journal = journal or MemoryJournal("lineage")
        config = self.config
        count = parties or len(self.names)
        return Relay(count, config.vertical, config.strategy, journal, clock, list(observers)).start(grid)

    def nodes(self, **changed: dict[str, float]) -> dict[int, VirtualNode]:
        """A node for each party; ``changed`` are fields of a party's node, by name."""
        return {
            number: VirtualNode(self.app(name), context(number), Speed(), **changed.get(name, {}))
            for number, name in enumerate(self.names, 1)
        }


def context(node: int) -> Context:
    """What Flower gives a node."""
    return Context(run_id=1, node_id=node, node_config={}, state=RecordDict(), run_config={})
