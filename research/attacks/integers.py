"""The integers of a real run: what hospitals send, how a version weighs it, and what its members open.

A run of the app's default settings goes through the product's own parts (nodes, learner, sealing, strategy, run folder)
on the virtual grid, until it has made the versions asked for. Updates are opened on their way, with the simulation's
key: they are the truth that an attack is judged by.

Not for: attacks on them (``research.attacks.sums``), a run's cost or quality (``research.compare``).
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Context, Message
from numpy.typing import NDArray

from client_app.app import build
from client_app.handlers import make_app
from client_app.node import Node
from client_app.update.payloads import Payloads
from crossward.config.encryption_schemes import BFV
from crossward.config.run_config import RunConfig
from crossward.encryption.plan import FieldPlan
from crossward.evaluation.replay import EvaluationError
from crossward.launcher.overrides import app_defaults
from crossward.ledger import events
from crossward.ledger.events import Event, Late, Refused
from crossward.ledger.state import RunState
from crossward.protocol.messages import TRAIN, RecordHead, Task, Update
from crossward.protocol.parts import Payload
from crossward.protocol.wire import read_reply
from crossward.simulation.run import run_plan, simulate_run
from crossward.simulation.virtual_grid import Speed, VirtualGrid
from research.compare.federation import fixed_identities
from research.compare.memory import Memory, Remembering
from server_app.files import read_payload
from strategies.callbacks import Callback

Ints = NDArray[np.int64]
COMPUTE = 10.0  # virtual seconds of a training where nothing is slowed down


@dataclass(frozen=True)
class Version:
    """One version as an all-knowing judge has it.

    ``values`` int64 [K, total] are its contributors' integers and ``weights`` what they are multiplied with, in the
    order of ``sites``; ``opened`` int64 [total] is what every holder of the key opens it to.
    """

    number: int
    sites: tuple[str, ...]
    weights: tuple[int, ...]
    values: Ints
    opened: Ints

    @property
    def exact(self) -> Ints:
        """``sum_k n_k q_k``, int64 [total]."""
        return np.asarray(np.array(self.weights) @ self.values, dtype=np.int64)


@dataclass(frozen=True)
class Run:
    """The first versions of a run. ``sizes`` are those of the adapter's blocks; no weight exceeds ``heaviest``."""

    plan: FieldPlan
    sizes: tuple[int, ...]
    heaviest: int
    versions: tuple[Version, ...]


class _Enough(Exception):
    """The versions asked for are made."""


@dataclass
class _Watch(Callback):
    """Opens updates on their way and versions once they are recorded."""

    plan: FieldPlan
    wanted: int
    folder: Path
    config: RunConfig
    memory: Memory
    say: Callable[[str], None]
    payloads: Payloads | None = None
    sizes: tuple[int, ...] = ()
    updates: dict[int, Ints] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)

    def node(self, context: Context, task: Task) -> Node:
        """Builds a node as the ClientApp does; the first one says how to open what nodes send."""
        node = build(context, task)
        if self.payloads is None:
            self.sizes = tuple(node.learner.sizes)
            self.payloads = Payloads(self.sizes, self.plan, node.vault)
        node.learner = Remembering(node.learner, self.config, self.memory, [])
        return node

    def _open(self, payload: Payload, head: RecordHead) -> Ints:
        assert self.payloads is not None  # a node has sealed the payload
        out = np.zeros(self.payloads.total, dtype=np.int64)
        for place, values in self.payloads.open(payload, head):
            out[place] = values
        return out

    def message(self, node: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        if message.metadata.message_type == TRAIN:
            content = read_reply(reply.content)
            if isinstance(content, Update):
                alone = RecordHead(1, 1, content.epoch, 1, 1, content.key)
                self.updates[content.task] = self._open(content.payload, alone)
        return [(0.0, reply)]

    def on_event(self, event: Event, state: RunState) -> None:
        if isinstance(event, Refused) and not isinstance(event, Late):
            raise EvaluationError(f"a task of the attacked run failed ({event.name}): {event.reason}")
        if not isinstance(event, events.Version):
            return
        values = np.stack([self.updates.pop(task) for task in event.tasks])
        record = read_payload(self.folder / "versions" / f"{event.version:06d}.payload")[1]
        number = event.version
        head = RecordHead(number, number, event.epoch, event.weight_sum, event.sign, event.key, event.dithered)
        opened = self._open(record, head)
        self.versions.append(Version(event.version, event.sites, event.weights, values, opened))
        self.say(f"version {event.version} of {self.wanted}")
        if len(self.versions) == self.wanted:
            raise _Enough


def run(
    versions: int,
    seed: int,
    given: Mapping[str, Any] | None = None,
    memory: Memory | None = None,
    hospitals: int = 4,
    say: Callable[[str], None] = lambda text: None,
) -> Run:
    """The first ``versions`` versions of a run of the app's defaults, but under BFV; ``given`` replaces keys.

    Links and speeds are those that a simulation pretends, on a virtual clock; nothing is measured on held-out notes.
    What ``memory`` has is not trained again.

    Raises
    ------
    EvaluationError
        a task failed, or the run ended before it had made so many versions.
    """
    with tempfile.TemporaryDirectory(prefix="crossward-attacks-") as place:
        config = app_defaults(Path(__file__).resolve().parents[2]) | {
            "run.seed": seed,
            "run.alone": False,
            "run.state-dir": str(Path(place) / "state"),
            "model.device": "cpu",
            "encryption.scheme": BFV,  # opens single updates, which is what the attack is judged by
            "encryption.workers": 1,
            "strategy.evaluate-every": 0,
        }
        config |= dict(given or {})
        read = RunConfig.read(config)
        settings, links = read.strategy, read.simulation
        plan = run_plan(read, hospitals)
        fixed_identities(read.run.state_root, hospitals)
        folder = Path(place) / "run"
        watch = _Watch(plan, versions, folder, read, memory or Memory(), say)
        speeds = [
            Speed(links.link(number) or 1000.0, compute=COMPUTE * links.slowdown(number)) for number in range(hospitals)
        ]
        flower = logging.getLogger("flwr")
        level = flower.level
        flower.setLevel(logging.ERROR)
        try:
            simulate_run(
                read,
                folder,
                speeds,
                app=make_app(watch.node),
                grid=lambda nodes, clock: VirtualGrid(nodes, clock, watch.message),
                callbacks=[watch],
            )
        except _Enough:
            pass
        finally:
            flower.setLevel(level)
    if len(watch.versions) < versions:
        raise EvaluationError(f"the attacked run ended at version {len(watch.versions)} of {versions}")
    heaviest = math.ceil(plan.total_weight * max(settings.max_share, 1.0 / settings.buffer_size))
    return Run(plan, watch.sizes, heaviest, tuple(watch.versions))
