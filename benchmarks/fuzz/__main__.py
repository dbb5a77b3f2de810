"""Mutated messages at whoever they are for: what is refused, and why; what gets in, and what it does to a sum.

Half of the mutations are of updates under BFV and in the clear, half of everything that the committee scheme sends
(``benchmarks.fuzz.committee`` says what must hold there). Of updates: honest hospitals train, seal and sign; then one
reply after the other is changed on its way (or by its own hospital, which signs it again) and handed to
``strategies.exchange.reception.receive``. ::

    python -m benchmarks.fuzz --mutations 20000

Nothing that was changed on its way may be accepted. What a hospital changed and signed itself may be, as far as the
server can see; then it must be decryptable arithmetic: it becomes a version, and opening that gives integers or says
that it cannot. The mutations themselves are in ``benchmarks.fuzz.mutations``.
"""

from __future__ import annotations

import copy
import dataclasses
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flwr.app import Message, RecordDict

from benchmarks.fuzz.committee import Found, fuzz_committee
from benchmarks.fuzz.mutations import MUTATIONS, Material, signed_again
from benchmarks.harness.command import parse, parser, write_json
from benchmarks.harness.figures import counted
from client_app.node import Node
from client_app.update.payloads import Payloads, UnopenedError, Vault
from client_app.update.sealer import UpdateSealer
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.internals.flower import set_message_id
from crossward.ledger.events import Joined, Outcome, Refused
from crossward.ledger.lines import read_line
from crossward.ledger.reasons import reason_of
from crossward.protocol.messages import TRAIN, RecordHead, Update
from crossward.protocol.wire import read_reply, read_task, write_reply
from crossward.simulation.toy import ToyLearner, toy_identity
from crossward.simulation.virtual_grid import VirtualClock, VirtualGrid
from strategies.aggregation.catchup import version_name
from strategies.aggregation.versions import make_version
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.dispatch import compose
from strategies.exchange.reception import receive
from strategies.history.journal import MemoryJournal
from strategies.history.roster import Flight
from strategies.history.state import ServerState

SECRET = Secret(bytes(range(32)))
SCHEDULE = Schedule(versions=20, local_steps=5, peak=0.05)
NODES = 5  # the last has never been heard
DIMENSION = 16


def vault(policy: str) -> Vault:
    """What a node of the fuzzed run seals with under ``policy``."""
    blocks = (True, False) if policy == "sensitive" else None
    key = None if policy == "none" else ConsortiumKey(SECRET)
    return Vault(EncryptionSettings(policy=policy, scheme=BFV, workers=1), key, blocks)


@dataclass
class Tally:
    """What became of the mutations. ``unsigned`` must stay 0; ``committee`` has those of its scheme by policy."""

    tried: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    unsigned: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    committee: dict[str, Found] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether anything got in that must not, or anything broke."""
        return bool(self.unsigned or self.crashes or any(f.wrong or f.crashes for f in self.committee.values()))


class Door:
    """A server at version 1 of a run, its hospitals, and one task under way for each of them."""

    def __init__(self, folder: Path, policy: str, plan: FieldPlan) -> None:
        self.vault, self.plan = vault(policy), plan
        settings = StrategySettings(buffer_size=3, exponents="0,0.5,1")
        kinds = arithmetic(plan, policy, BFV)
        clock = VirtualClock()
        VirtualGrid({}, clock)  # says which run messages belong to
        self.state = ServerState(settings, plan, SCHEDULE, MemoryJournal(), clock, Bandwidths(), "evaluate", 0, kinds)
        self.nodes = {
            n: Node(
                ToyLearner(n, SCHEDULE, DIMENSION),
                folder / str(n),
                toy_identity(n),
                SCHEDULE,
                0,
                lambda: 0.0,
                False,
                UpdateSealer(self.vault),
            )
            for n in range(1, NODES + 1)
        }
        for n in self.state.roster.changes(self.nodes)[0]:
            self.state.record(Joined(node=str(n)))
        old = {n: self._answered(n) for n in self.nodes}
        for n in range(1, NODES):
            flight, content = old[n]
            self.hand_in(flight, content)
        make_version(self.state, self.state.buffer[:3])
        self._nothing_waits()
        self.fresh = {n: self._answered(n) for n in self.nodes}
        self.honest = {n: self._update(content) for n, (_, content) in self.fresh.items()}
        other = Payloads((8, 8), FieldPlan(6, 8, 1), dataclasses.replace(self.vault))
        clear = Payloads((8, 8), plan, vault("none"))
        foreign = [p.seal(np.zeros(DIMENSION, np.int64)) for p in (other, clear)]
        self.material = Material(
            [content for _, content in (*old.values(), *self.fresh.values())], foreign, self.nodes, plan
        )
        self._views = {n: dataclasses.replace(v) for n, v in self.state.roster.nodes.items()}
        self._kept = dict(self.state.journal.payloads)  # type: ignore[attr-defined]

    def _answered(self, n: int) -> tuple[Flight, RecordDict]:
        message, flight = compose(self.state, self.state.roster.nodes[n], TRAIN)
        return flight, write_reply(self.nodes[n].train(read_task(message.content)))

    @staticmethod
    def _update(content: RecordDict) -> Update:
        update = read_reply(content)
        assert isinstance(update, Update)
        return update

    def hand_in(self, flight: Flight, content: RecordDict) -> Outcome:
        """The outcome that a reply with ``content`` leads to."""
        self.state.roster.launch("message", flight)
        asked = Message(content=RecordDict(), dst_node_id=flight.node, message_type=TRAIN)
        set_message_id(asked, "message")
        log = self.state.journal.log  # type: ignore[attr-defined]
        before = len(log)
        receive(self.state, Message(content=content, reply_to=asked))
        return next(event for event in map(read_line, log[before:]) if isinstance(event, Outcome))

    def reset(self) -> None:
        """As before the last reply came."""
        state = self.state
        self._nothing_waits()
        state.journal.payloads.clear()  # type: ignore[attr-defined]
        state.journal.payloads.update(self._kept)  # type: ignore[attr-defined]
        del state.journal.log[4096:]  # type: ignore[attr-defined]
        state.roster.nodes = {n: dataclasses.replace(v) for n, v in self._views.items()}
        state.roster.flights.clear()
        state.snapshots.candidate = state.run.snapshot = None

    def _nothing_waits(self) -> None:
        self.state.run.buffer.clear()
        self.state.run.waiting.clear()

    def untouched(self) -> bool:
        """Whether no sum could have changed: nothing waits and nothing was kept."""
        return not self.state.buffer and self.state.journal.payloads == self._kept  # type: ignore[attr-defined]

    def signed_by_owner(self, n: int, content: RecordDict) -> bool:
        """Independently of the server: does node ``n``'s own key vouch for exactly this update?"""
        update = self._update(content)
        try:
            Ed25519PublicKey.from_public_bytes(self.honest[n].public_key).verify(
                update.signature, update.signed_bytes()
            )
        except InvalidSignature:
            return False
        return True

    def effect(self, n: int) -> str:
        """Make a version of the accepted update and two honest ones, and open it; what came of it."""
        state, others = self.state, [m for m in self.nodes if m != n][:2]
        for other in others:
            self.hand_in(*self.fresh[other])
        made = make_version(state, state.buffer)
        payload = state.journal.open(version_name(made.version))[1]
        state.run.version -= 1  # as if it had not been made
        del state.run.versions[made.version]
        state.catch_up.forget()
        got = np.zeros(DIMENSION, np.int64)
        try:
            opener = Payloads((8, 8), self.plan, self.vault)
            number = made.version
            head = RecordHead(number, number, made.epoch, made.weight_sum, made.sign, made.key, made.dithered)
            for place, values in opener.open(payload, head):
                got[place] = values
        except UnopenedError as error:
            return f"the version does not open: {str(error).split(':')[0]}"
        honest = self.plan.largest_sum(made.weight_sum, made.dithered)
        return (
            "opens, within what honest updates sum to" if abs(got).max() <= honest else "opens, beyond any honest sum"
        )


def refusal(outcome: Refused, name: str) -> str:
    """Outcome and reason's code, for counting; what breaks the protocol has no code: then the mutation's ``name``."""
    reason = reason_of(outcome.reason)
    return f"{outcome.name}: {reason.code if reason is not None else f'the protocol, by {name}'}"


def try_one(door: Door, rng: random.Random, tally: Tally) -> None:
    """One mutation of one honest update."""
    n = rng.randint(1, NODES)
    flight, content = door.fresh[n]
    name, mutate = rng.choice(MUTATIONS)
    again = rng.random() < 0.5
    tally.tried += 1
    try:
        changed = mutate(copy.deepcopy(content), rng, door.material)
        changed = signed_again(changed, door.nodes[n].identity) if again else changed
        outcome = door.hand_in(dataclasses.replace(flight), changed)
        if isinstance(outcome, Refused):
            tally.refused[refusal(outcome, name)] += 1
            if not door.untouched():
                tally.unsigned += 1
        elif not door.signed_by_owner(n, changed):
            tally.unsigned += 1
            tally.accepted[f"{name}: accepted without its hospital's signature"] += 1
        else:
            same = door._update(changed).payload == door.honest[n].payload
            tally.accepted["the payload as it was" if same else f"{name}, signed again"] += 1
            if not same:
                tally.sums[door.effect(n)] += 1
    except Exception as error:
        tally.crashes.append(f"{name}{' (signed again)' if again else ''}: {type(error).__name__}: {str(error)[:150]}")
    door.reset()


def fuzz(mutations: int, seed: int = 0) -> Tally:
    """``mutations`` mutations, the same ones for the same ``seed``, shared among the policies."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for number, policy in enumerate(("all", "sensitive", "none")):
            door = Door(Path(folder) / policy, policy, FieldPlan(8, 7, 2))
            rng = random.Random(f"{seed}:{policy}")
            for _ in range(mutations // 3 + (number < mutations % 3)):
                try_one(door, rng, tally)
    return tally


def fuzz_both(mutations: int, seed: int = 0) -> Tally:
    """Half of the ``mutations`` by :func:`fuzz`, half of the committee's messages."""
    tally, own = fuzz(mutations // 2, seed), mutations - mutations // 2
    with tempfile.TemporaryDirectory() as folder:
        for number, policy in enumerate(("all", "sensitive")):
            count = (own + 1 - number) // 2
            tally.committee[policy] = fuzz_committee(count, Path(folder) / policy, policy, seed)
            tally.tried += count
    return tally


def table(tally: Tally, seconds: float) -> str:
    """The tally for people."""
    refused, accepted = sum(tally.refused.values()), sum(tally.accepted.values())
    rows = [f"{tally.tried} mutations in {seconds:.1f} s", "", f"refused: {refused}"]
    rows += counted(dict(tally.refused.most_common(40)))
    rows += ["", f"accepted: {accepted}", *counted(dict(tally.accepted.most_common()))]
    rows += ["", "what accepted ones make of a version", *counted(dict(tally.sums.most_common()))]
    rows += ["", f"changed a sum without a valid signature: {tally.unsigned}", f"exceptions: {len(tally.crashes)}"]
    rows += [f"          {crash}" for crash in sorted(set(tally.crashes))]
    for policy, found in tally.committee.items():
        refused, accepted = sum(found.refused.values()), sum(found.accepted.values())
        rows += ["", f"committee, policy {policy}, refused: {refused}", *counted(dict(found.refused.most_common()))]
        rows += [f"committee, policy {policy}, accepted as it was or changing nothing: {accepted}"]
        rows += counted(dict(found.accepted.most_common()))
        rows += [f"changed a sum, opened an update twice, or was not signed: {len(found.wrong)}"]
        rows += [f"exceptions: {len(found.crashes)}", *sorted({*found.wrong, *found.crashes})]
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 when anything got in that must not."""
    p = parser("fuzz", __doc__, seed=True)
    p.add_argument("--mutations", type=int, default=20000)
    options = parse(p, argv, mutations=1000)
    began = time.perf_counter()
    tally = fuzz_both(options.mutations, options.seed)
    print(table(tally, time.perf_counter() - began))
    write_json(options.json, dataclasses.asdict(tally))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
