"""A strategy over learners of your own, in one process on a virtual clock: seconds for runs of hours.

    schedule = Schedule(versions=12, local_steps=5, peak=0.05)
    run = simulate([ToyLearner(number, schedule) for number in range(4)], StrategySettings(), schedule)
    print(run.versions[-1].weights, run.vector())

Strategy, nodes, messages and integer sums are the real ones. Updates are encrypted where a vault with a key is given,
and no file is left.

Not for: notes, language models and run folders (``crossward.simulation.run``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flwr.app import Context, RecordDict

from client_app.committee.keys import CommitteeKeys
from client_app.committee.rosters import keys_of_all
from client_app.committee.seat import Seat
from client_app.guard.limits import Limits
from client_app.handlers import make_app
from client_app.node import Learner, Node
from client_app.state.folder import NodeState
from client_app.training.trained import Vector
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.payloads import Vault
from client_app.update.sealer import UpdateSealer
from crossward.adapters.ranks import Ranks
from crossward.config.encryption_settings import SENSITIVE
from crossward.config.privacy_settings import HOSPITAL, NO_UNIT
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.committee.statements import Rules
from crossward.encryption.dither import KNOWN, Dither
from crossward.encryption.plan import FieldPlan
from crossward.encryption.settings import field_plan
from crossward.ledger.events import Event, Version
from crossward.ledger.lines import read_line
from crossward.protocol.messages import Head, Task
from crossward.protocol.wire import content_size
from crossward.simulation.toy import toy_context, toy_identity
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from strategies.async_hybrid import AsyncHybrid
from strategies.callbacks import Callback
from strategies.exchange.bandwidth import Bandwidths
from strategies.history.journal import MemoryJournal
from strategies.opening.committee import Committee
from strategies.registry import strategy_class
from strategies.stopping.hospital_budget import HospitalBudget


class MemoryStore:
    """A node's state in memory, in place of ``client_app.state.folder.StateFolder``."""

    def __init__(self) -> None:
        self._state: NodeState | None = None

    def load(self, layout: str) -> NodeState:
        """The saved state, or a new one of ``layout``."""
        return self._state or NodeState(layout)

    def save(self, state: NodeState) -> None:
        """Keep ``state`` itself, no copy of it."""
        self._state = state

    def keep_head(self, head: Head) -> None:
        """Nobody asks for it."""


class ClockedJournal(MemoryJournal):
    """A journal in memory whose events carry ``time``, in virtual seconds."""

    def __init__(self, clock: VirtualClock, lineage: str = "simulation") -> None:
        super().__init__(lineage)
        self.clock = clock

    def record(self, event: str, **facts: Any) -> None:
        """Append an event with the virtual time."""
        super().record(event, **facts)
        self.log[-1]["time"] = self.clock.now()


@dataclass(frozen=True)
class Simulated:
    """A finished run: its strategy, its events, and every hospital's node."""

    strategy: AsyncHybrid
    events: list[Event]
    nodes: list[Node]

    @property
    def versions(self) -> list[Version]:
        """The event of every version: ``version``, ``sites``, ``weights`` (integers), ``staleness``, ``train_loss`` ...

        Weights are parts of the plan's total weight.
        """
        return [event for event in self.events if isinstance(event, Version)]

    def vector(self, hospital: int = 0) -> Vector:
        """The global adapter as ``hospital`` holds it, float32 [total]."""
        node, state = self.nodes[hospital], self.strategy.state
        held = node.store.load(node.vault.layout(node.learner.layout, len(node.learner.sizes))).copy
        return held.vector(node.learner.initial(), state.plan, state.schedule, node.ranks)


def simulate(
    learners: Sequence[Learner],
    settings: StrategySettings,
    schedule: Schedule,
    speeds: Sequence[Speed] = (),
    *,
    kind: type[AsyncHybrid] | None = None,
    plan: FieldPlan | None = None,
    clock: VirtualClock | None = None,
    journal: MemoryJournal | None = None,
    size: Callable[[RecordDict], int] = content_size,
    vault: Vault | None = None,
    noise: HospitalNoise | None = None,
    budget: HospitalBudget | None = None,
    dither: Dither = KNOWN,
    callbacks: Sequence[Callback] = (),
    seed: int = 0,
    ranks: Ranks | None = None,
) -> Simulated:
    """Run a strategy to its end, one hospital for each learner; the same arguments give the same run.

    Parameters
    ----------
    learners : sequence of Learner
        What hospitals train and measure: ``crossward.simulation.toy.ToyLearner``, or a class with the methods of
        ``client_app.node.Learner``.
    settings : StrategySettings
        The strategy's settings; ``settings.name`` chooses the strategy.
    schedule : Schedule
        Number of versions, local steps, learning rate; give learners the same one.
    speeds : sequence of Speed (default: the same for all)
        Link and compute of each hospital.
    kind : type (default: the strategy that ``settings`` name)
        A class of your own.
    plan : FieldPlan (default: the one that a run of so many nodes chooses)
        Bits of a field.
    clock, journal : VirtualClock, MemoryJournal (default: new)
        Given, they can be read while the run goes on.
    size : function (default: bytes of the arrays)
        Bytes that a message counts on a link.
    vault : Vault (default: nothing is encrypted)
        Encryption settings and the consortium's key. Under the scheme ``committee`` the first four hospitals, or all
        three, are the committee.
    noise, budget : HospitalNoise, HospitalBudget (default: none)
        Hospital-level privacy.
    dither : Dither (default: the same in every run)
        What versions carry so that they do not separate into updates.
    callbacks : sequence of Callback (default: none)
        They see the run's events, and can stop it.
    seed : int (default: 0)
        Seeds training and rounding.
    ranks : Ranks (default: all hospitals train all)
        Components of the learners' adapter; its ``hospitals`` are the learners' ranks, in order.

    Raises
    ------
    ValueError
        not as many ``speeds`` as ``learners``, or ``settings`` wait for more hospitals than there are.
    RunError
        no update was accepted within ``settings.stall_seconds``.
    """
    count, unit = len(learners), NO_UNIT if noise is None else HOSPITAL
    if speeds and len(speeds) != count:
        raise ValueError(f"{len(speeds)} speeds for {count} learners: give one for each, or none")
    settings.check_size(count)
    speeds, clock, bandwidths = speeds or [Speed()] * count, clock or VirtualClock(), Bandwidths()
    vault = vault or Vault()
    encryption = vault.settings
    plan = plan or field_plan(
        encryption, count, settings.buffer_size or count, noise is not None, settings.fine_weight(count)
    )
    journal = journal or ClockedJournal(clock)
    given: dict[str, Any] = {"clock": clock, "bandwidths": bandwidths, "budget": budget, "dither": dither}
    given |= {"callbacks": callbacks, "kinds": arithmetic(plan, encryption.policy, encryption.scheme)}
    given["ranks"] = () if ranks is None else ranks.hospitals
    given["committee"] = Committee(journal.lineage, encryption.stretch) if encryption.has_committee else None
    strategy = (kind or strategy_class(settings.name))(settings, plan, schedule, journal, privacy_unit=unit, **given)
    with tempfile.TemporaryDirectory(prefix="crossward-simulation-") as place:
        made, identities = list[Node](), {f"site-{number}": toy_identity(number + 1) for number in range(count)}
        keys: dict[str, CommitteeKeys] = {}
        if encryption.has_committee:
            rules = Rules(settings.min_contributors, settings.max_share)
            keys = keys_of_all(Path(place), identities, rules, encryption.stretch)
        for learner, (name, identity) in zip(learners, identities.items(), strict=True):
            folder = Path(place) / name  # of logs, and of sealing keys
            folder.mkdir()
            blocks = learner.sensitive_blocks(encryption.fraction) if encryption.policy == SENSITIVE else None
            rank = 0 if ranks is None else ranks.own(len(made))
            sealer = UpdateSealer(replace(vault, blocks=blocks), noise, committee=keys.get(name), rank=rank)
            limits = Limits(unit)
            made.append(Node(learner, folder, identity, schedule, seed, lambda: 0.0, False, sealer, limits))
            made[-1].cached = settings.cached
            made[-1].ranks = ranks
            made[-1].store = MemoryStore()  # type: ignore[assignment]

        def build(context: Context, task: Task) -> Node:
            return made[int(context.node_config["partition-id"])]

        def build_seat(context: Context, task: Task) -> Seat:
            return Seat(keys[f"site-{context.node_config['partition-id']}"], vault)

        nodes, app = {}, make_app(build, build_seat=build_seat)
        for number, speed in enumerate(speeds):
            nodes[number + 1] = VirtualNode(app, toy_context(number), speed)
            bandwidths.configure(number + 1, speed.mbit)
        strategy.start(VirtualGrid(nodes, clock, size=size))
    return Simulated(strategy, [read_line(line) for line in journal.log], made)
