"""Whole federations of toy nodes on the virtual grid, and what can be asked of them afterwards."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from client_app.committee.keys import CommitteeKeys
from client_app.committee.seat import Seat
from client_app.guard.limits import Limits
from client_app.handlers import make_app
from client_app.node import Node
from client_app.state.folder import NodeState, StateFolder
from client_app.training.trained import Trained
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.payloads import Payloads, Vault
from client_app.update.sealer import UpdateSealer
from crossward.adapters.ranks import Ranks
from crossward.config.privacy_settings import HOSPITAL, NO_UNIT
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.dither import KNOWN, Dither
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import ACCEPTED, EVALUATE, FAILED, LATE, OUTCOMES, WRONG_LAYOUT, RecordHead, Update
from crossward.protocol.parts import Payload
from crossward.protocol.wire import read_reply
from crossward.simulation.toy import ToyLearner, toy_context, toy_identity
from crossward.simulation.virtual_grid import Fault, Speed, VirtualClock, VirtualGrid, VirtualNode
from server_app.run_folder import RunFolder
from strategies.async_hybrid import AsyncHybrid
from strategies.callbacks import Callback
from strategies.history.journal import Journal, MemoryJournal
from strategies.opening.committee import Committee
from strategies.stopping.hospital_budget import HospitalBudget

DIMENSION = 16
PLAN = FieldPlan(8, 7, 2)
WIRE_FREE = 1e15  # Mbit/s: transfers take no time, so that arrivals are whole seconds


@dataclass
class Federation:
    """``compute[i]`` seconds a task for node ``i + 1``; links cost nothing unless ``mbit`` says so.

    ``noise`` is each node's by its number from 0; ``budget`` the server's; ``ranks`` are the nodes' in order.
    ``sent`` remembers (node, update) by task; ``starts`` and ``deltas`` what each (node, version) trained from and by.
    """

    folder: Path
    compute: Sequence[float] = (10.0, 10.0, 15.0, 40.0)
    versions: int = 6
    plan: FieldPlan = PLAN
    schedule: Schedule | None = None
    kind: type[AsyncHybrid] = AsyncHybrid
    journal: Journal = field(default_factory=MemoryJournal)
    fault: Fault | None = None
    joins: Mapping[int, float] = field(default_factory=dict)
    leaves: Mapping[int, float] = field(default_factory=dict)
    mbit: float = WIRE_FREE
    learner: Callable[..., ToyLearner] = ToyLearner
    identity: Callable[[int], Any] = lambda number: toy_identity(number + 1)
    last_task: str = EVALUATE
    vault: Vault = field(default_factory=Vault)
    key: str = ""
    noise: Callable[[int], HospitalNoise | None] = lambda number: None
    budget: HospitalBudget | None = None
    dither: Dither = KNOWN
    callbacks: Sequence[Callback] = ()
    ranks: Ranks | None = None
    sent: dict[int, tuple[int, Update]] = field(default_factory=dict)
    starts: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    deltas: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        defaults: dict[str, Any] = {
            "buffer_size": 3,
            "evaluate_every": 0,
            "rollback_ratio": 0.0,
            "exponents": "0,0.5,1",
            "min_contributors": min(3, self.given.get("buffer_size", 3) or 3),
        }
        self.settings = StrategySettings(**(defaults | self.given))
        self.schedule = self.schedule or Schedule(versions=self.versions, local_steps=5, peak=0.05)
        schedule = self.schedule
        self.clock, self.unit = VirtualClock(), NO_UNIT if self.noise(0) is None else HOSPITAL

        def build(context: Any, task: Any) -> Node:
            number = int(context.node_config["partition-id"])
            learner = self.learner(number, schedule, DIMENSION, examples=10 * (number % 4 + 1))
            folder = self.folder / task.lineage / str(number)
            learner.train = self._watched(number + 1, learner.train)  # type: ignore[method-assign]
            identity, sealer, limits = self.identity(number), self.sealer(number), Limits(self.unit)
            cached = self.settings.cached
            made = Node(learner, folder, identity, schedule, 0, lambda: 0.0, False, sealer, limits, cached=cached)
            made.ranks = self.ranks
            return made

        def build_seat(context: Any, task: Any) -> Seat:
            keys = self.keys(int(context.node_config["partition-id"]))
            assert keys is not None
            return Seat(keys, self.vault)

        app = make_app(build, build_seat=build_seat)
        self.nodes = {
            i + 1: VirtualNode(
                app,
                toy_context(i),
                Speed(mbit=self.mbit, latency=0.0, compute=seconds),
                self.joins.get(i + 1, 0.0),
                self.leaves.get(i + 1, float("inf")),
            )
            for i, seconds in enumerate(self.compute)
        }
        self.grid = VirtualGrid(self.nodes, self.clock, self._seen)
        self.strategy = self.kind(
            self.settings,
            self.plan,
            schedule,
            self.journal,
            clock=self.clock,
            last_task=self.last_task,
            kinds=arithmetic(self.plan, self.vault.settings.policy, self.vault.settings.scheme),
            key=self.key,
            budget=self.budget,
            dither=self.dither,
            privacy_unit=self.unit,
            callbacks=self.callbacks,
            committee=self.committee,
            ranks=self.ranks.hospitals if self.ranks is not None else (),
        )

    def keys(self, number: int) -> CommitteeKeys | None:
        """What a node by its number from 0 holds beside the vault, under a scheme with a committee."""
        return None

    def sealer(self, number: int) -> UpdateSealer:
        """What a node by its number from 0 seals with."""
        return UpdateSealer(self.vault, self.noise(number), rank=self.rank(number))

    def rank(self, number: int) -> int:
        """How many components a node by its number from 0 trains, 0 for all."""
        return self.ranks.own(number) if self.ranks is not None else 0

    @property
    def committee(self) -> Committee | None:
        """What the server knows of a committee at first."""
        return None

    def _watched(self, node: int, train: Callable[..., Trained]) -> Callable[..., Trained]:
        def watched(start: np.ndarray, version: int, rng: np.random.Generator) -> Trained:
            trained = train(start, version, rng)
            self.starts[node, version] = start.copy()
            self.deltas[node, version] = (trained.vector - start).astype(np.float64)
            return trained

        return watched

    def _seen(self, node: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        content = read_reply(reply.content)
        if isinstance(content, Update):
            self.sent[content.task] = (node, content)
        return [(0.0, reply)] if self.fault is None else self.fault(node, message, reply)

    def start(self) -> Any:
        return self.strategy.start(self.grid)

    # ------------------------------------------------------------------ the journal

    def lines(self, *events: str) -> list[dict[str, Any]]:
        return [line for line in self.journal.events() if line["event"] in events]

    def made(self) -> list[dict[str, Any]]:
        """Version lines."""
        return self.lines("version")

    def outcomes(self) -> dict[int, list[str]]:
        """Task -> its outcome lines, in order."""
        found: dict[int, list[str]] = defaultdict(list)
        for line in self.journal.events():
            if line["event"] in (*OUTCOMES, "measured", "assisted") and line["task"] >= 0:
                found[line["task"]].append(line["event"])
        return found

    def counts(self) -> Counter[str]:
        return Counter(line["event"] for line in self.journal.events())

    def check_accounts(self) -> None:
        """Every task has one outcome, unless an acceptance was revoked; nothing accepted is lost or doubled."""
        dispatched = [line["task"] for line in self.lines("dispatched")]
        assert len(dispatched) == len(set(dispatched))
        outcomes = self.outcomes()
        assert set(outcomes) == set(dispatched)
        revoked = [[ACCEPTED, WRONG_LAYOUT], [ACCEPTED, FAILED]]  # by version 1, or as its file was lost
        revoked += [[ACCEPTED, LATE]] if self.committee is not None else []  # its list was dropped
        assert all(len(o) == 1 or o in revoked for o in outcomes.values()), outcomes
        used = [task for line in self.made() for task in line["tasks"]]
        waiting = [update.task for update in self.strategy.state.buffer]
        kept = [task for task, o in outcomes.items() if o == [ACCEPTED]]
        assert sorted(used + waiting) == sorted(kept)
        assert self.schedule is not None
        base = {line["task"]: line["version"] for line in self.lines(ACCEPTED)}
        for line in self.made():
            if line["tasks"]:
                assert len(set(line["hospitals"])) == len(line["tasks"])
                behind = [line["epoch"] - self.schedule.epoch(base[task]) for task in line["tasks"]]
                assert all(w % 2**b == 0 for w, b in zip(line["weights"], behind, strict=True)), "wrong scale"
                assert line["staleness"] == [line["version"] - 1 - base[task] for task in line["tasks"]]
                assert line["weight_sum"] == sum(line["weights"]) <= self.plan.total_weight

    # ------------------------------------------------------------------ the nodes

    def state_of(self, node: int) -> NodeState:
        learner = self.learner(node - 1, self.schedule, DIMENSION)
        layout = self.vault.layout(learner.layout, len(learner.sizes))
        store = StateFolder(self.folder / self.journal.lineage / str(node - 1))
        assert not store.path.exists() or json.loads(store.path.read_text())["layout"] == layout
        return store.load(layout)

    def opened(self, payload: Payload, weight_sum: int, key: str, dithered: int = 0) -> np.ndarray:
        """``sum w*q`` of a payload, int64 [DIMENSION]."""
        out = np.zeros(DIMENSION, np.int64)
        head = RecordHead(1, 1, 0, weight_sum, 1, key, dithered)
        for place, values in self.payloads().open(payload, head):
            out[place] = values
        return out

    def payloads(self) -> Payloads:
        """What opens a payload as a node does."""
        return Payloads((8, 8), self.plan, self.vault)

    def version_sum(self, line: Mapping[str, Any], exact: bool = False) -> np.ndarray:
        """What the version of a ledger line opens to, int64 [DIMENSION]; ``exact``: without its dither."""
        payload = self.journal.open(f"versions/{line['version']:06d}")[1]
        opened = self.opened(payload, line["weight_sum"], line["key"], line["dithered"])
        if not exact:
            return opened
        made = self.dither.version(self.plan.total_weight, line["version"], line["sites"], line["weights"])
        if made is None:
            return opened
        return opened - made(0, DIMENSION) + self.plan.dither_mean

    def integers(self, last: int | None = None) -> dict[int, np.ndarray]:
        """Scale epoch -> accumulated integers, from the journal's version records alone, by Python's own integers."""
        total: dict[int, np.ndarray] = {}
        for line in self.made():
            if last is not None and line["version"] > last:
                break
            signed = self.version_sum(line) * line["sign"]
            total[line["epoch"]] = total.get(line["epoch"], np.zeros(DIMENSION, np.int64)) + signed
        return total

    def check_agreement(self, nodes: Sequence[int] | None = None, version: int | None = None) -> None:
        """``nodes`` hold exactly the integers that the journal's records sum to."""
        version = self.strategy.state.version if version is None else version
        expected = self.integers(version)
        for node in nodes if nodes is not None else self.nodes:
            held = self.state_of(node).copy
            assert held.version == version, f"node {node} is at {held.version}, not {version}"
            mine = {epoch: v.tolist() for epoch, v in held.values.items() if v.any()}
            assert mine == {epoch: v.tolist() for epoch, v in expected.items() if v.any()}
        copies = [self.state_of(node).copy for node in (nodes if nodes is not None else self.nodes)]
        assert len({copy.hash("x", b"key") for copy in copies}) == 1

    def check_residuals(self, nodes: Sequence[int] | None = None) -> None:
        """What a node's accepted updates left over is its residual: sum of deltas = sum of updates + residual."""
        assert self.schedule is not None
        accepted = {task for task, outcome in self.outcomes().items() if outcome == [ACCEPTED]}
        for node in nodes if nodes is not None else self.nodes:
            state = self.state_of(node)
            assert state.pending is None and state.pending_task == -1  # the last evaluation settled it
            wanted, got = np.zeros(DIMENSION), np.zeros(DIMENSION)
            for task, (who, update) in self.sent.items():
                if who == node and task in accepted:
                    unit = self.schedule.value_range(update.epoch) / self.plan.q_max
                    got += self.opened(update.payload, 1, update.key) * unit
                    wanted += self.deltas[node, update.version]
            residual = np.zeros(DIMENSION) if state.residual is None else state.residual
            assert np.allclose(wanted, got + residual, atol=1e-6)

    def reference(self, version: int | None = None) -> np.ndarray:
        """The float adapter at a version by independent arithmetic, from version records."""
        out = np.zeros(DIMENSION, dtype=np.float64)
        assert self.schedule is not None
        for epoch, integers in sorted(self.integers(version).items()):
            unit = self.schedule.value_range(0) / 2**epoch / (2 ** (self.plan.value_bits - 1) - 1)
            out = out + integers * (self.schedule.server_rate * unit / 2**self.plan.weight_bits)
        return out.astype(np.float32)


Make = Callable[..., Federation]


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Make]:
    """Makes a :class:`Federation`; keywords that are no fields of it are strategy settings."""
    yield from makes(Federation, tmp_path)


def makes(kind: type[Federation], folder: Path) -> Iterator[Callable[..., Any]]:
    """What makes federations of a ``kind``; their journals are closed after a test."""
    names = set(kind.__dataclass_fields__)
    journals: list[Any] = []

    def make(**keywords: Any) -> Federation:
        own = {name: keywords.pop(name) for name in list(keywords) if name in names}
        made = kind(own.pop("folder", folder / "nodes"), **own, given=keywords)
        journals.append(made.journal)
        return made

    yield make
    for journal in journals:
        if isinstance(journal, RunFolder):
            journal.close()
