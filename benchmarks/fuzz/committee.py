"""Mutated messages of the committee scheme, at the aggregator, at members and at nodes, and what they may never do.

An honest run (``benchmarks.fuzz.assembly``) gives the messages; each mutated one is handed to whom it is for, in the
state that the honest one met, and what comes of it is compared with what is known of the honest run:

- the aggregator takes in the very reply that its member or hospital signed, or none;
- a member consents to a list of signed updates, each in one list only, and answers with a quorum's consents;
- a node holds the sums that the honest run's versions are, or refuses the task;
- whatever is refused is refused by name: no other exception leaves.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from flwr.app import RecordDict

from benchmarks.fuzz.assembly import DIMENSION, PLAN, Assembly, Sent, copied, hand_in
from benchmarks.fuzz.mutations import signed_again
from benchmarks.fuzz.spelled import changed, spelled
from client_app.committee.payloads import CommitteePayloads
from client_app.guard.strikes import Strikes, StruckOutError
from client_app.state.catch_up import BehindError, NotOpenedError, catch_up
from client_app.state.folder import NodeState
from client_app.update.payloads import MissingKeyError, UnopenedError
from crossward.config.encryption_schemes import COMMITTEE
from crossward.config.encryption_settings import SENSITIVE
from crossward.encryption.committee.opening import Answer
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.spelling import AnswerFacts, ListRequest
from crossward.encryption.committee.statements import VersionList
from crossward.ledger.events import Outcome, Refused
from crossward.ledger.lines import read_line
from crossward.protocol.messages import (
    ANSWER,
    CONSENT,
    EVALUATE,
    MEMBERSHIP,
    TRAIN,
    Answered,
    Consented,
    Failure,
    RecordHead,
    Update,
)
from crossward.protocol.parts import ProtocolError
from crossward.protocol.wire import FACTS, read_reply, read_task, write_reply
from strategies.aggregation.catchup import version_name
from strategies.exchange.dispatch import compose
from strategies.history.state import ServerState
from strategies.opening.making import finish
from strategies.opening.questions import questions

_BEHIND = (ProtocolError, BehindError, NotOpenedError, MissingKeyError, StruckOutError)


@dataclass
class Found:
    """What became of mutations. ``wrong`` and ``crashes`` must stay empty."""

    refused: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)


def _answered_again(content: RecordDict, identity: Ed25519PrivateKey) -> RecordDict:
    """What can still be read as an answer, signed by the member that it is of: a lie, or what another was asked."""
    try:
        said = read_reply(content)
        if not isinstance(said, Answered):
            return content
        facts, blocks = AnswerFacts.from_bytes(said.facts), tuple(bytes(part.data) for part in said.payload)
        answer = Answer(facts.member, facts.digest, facts.subsets, blocks, facts.tag).signed(identity.sign)
        return write_reply(replace(said, facts=replace(facts, signature=answer.signature).to_bytes()))
    except (ProtocolError, ValueError):
        return content


class Halls:
    """An honest run, another one of the same hospitals, and whoever messages are for."""

    def __init__(self, folder: Path, policy: str) -> None:
        self.run = Assembly(folder / "here", policy, "here")
        self.checked = slice(0, DIMENSION // 2 if policy == SENSITIVE else DIMENSION)  # nobody vouches for clear values
        self.elsewhere = Assembly(folder / "elsewhere", policy, "elsewhere")
        self.state, self.folder = self.run.state, folder
        self.book = self.run.keys[1].book
        self.sealing = {
            (name, certificate.stretch): certificate.key
            for stretch in self.state.committee.certificates.values()  # type: ignore[union-attr]
            for name, certificate in stretch.items()
        }
        self.statements = {
            statement.canonical: statement.signature
            for sent in (*self.run.sent[CONSENT], *self.run.sent[ANSWER])
            for statement, _ in self._list(sent.task).contributions
        }
        self.records = {path: path.read_bytes() for path in (folder / "here" / "seats").rglob("*.opened")}
        view = copy.copy(self.state.roster.nodes[1])
        view.held = 0
        self.task = compose(self.state, view, EVALUATE)[0].content
        view.held = 1
        behind = compose(self.state, view, EVALUATE)[0].content
        other = copy.copy(self.elsewhere.state.roster.nodes[1])
        other.held = 0
        self.tasks = [self.task, behind, compose(self.elsewhere.state, other, EVALUATE)[0].content]
        self.sums = {0: {}, **{version: self._sum(version) for version in (1, 2)}}
        self.targets: dict[str, Callable[[random.Random, Found, bool], None]] = {
            "membership": self._to_aggregator(MEMBERSHIP),
            "consent": self._to_aggregator(CONSENT),
            "answer": self._to_aggregator(ANSWER),
            "update": self._to_aggregator(TRAIN),
            "list to consent to": self._to_member(CONSENT),
            "list to answer": self._to_member(ANSWER),
            "record and proof": self._to_node,
            "sealing keys": self._invited,
            "roster": self._roster,
        }

    # ------------------------------------------------------------------ what is known of the honest run

    @staticmethod
    def _list(task: RecordDict) -> VersionList:
        return ListRequest.from_bytes(read_task(task).committee).version

    def _sum(self, version: int) -> dict[int, list[int]]:
        """What a node holds at ``version``: the records opened one by one, which ``tests/`` compare with the clear."""
        out: dict[int, np.ndarray] = {}
        for number in range(1, version + 1):
            for epoch, values in self._opened(self.state, number).items():
                out[epoch] = out.get(epoch, np.zeros(DIMENSION, np.int64)) + values
        return {epoch: values[self.checked].tolist() for epoch, values in out.items()}

    def _payloads(self) -> CommitteePayloads:
        return CommitteePayloads((8, 8), PLAN, self.run.vault, self.run.lineage, self.run.keys[1])

    def _opened(self, state: ServerState, number: int) -> dict[int, np.ndarray]:
        facts, payload = state.journal.open(version_name(number))
        made = state.run.versions[number]
        head = RecordHead(number, number, made.epoch, made.weight_sum, made.sign, made.key, made.dithered)
        out = np.zeros(DIMENSION, np.int64)
        for place, values in self._payloads().open(payload, head._replace(proof=facts["proof"])):
            out[place] = values
        return {made.epoch: out}

    def _genuine(self, version: VersionList) -> str:
        """What is wrong with a list, by the statements that hospitals really signed; empty when nothing is."""
        signers, weights = version.signers, version.weights
        if len(set(signers)) != len(signers) or len(signers) < 3:
            return "signers are not three distinct ones"
        if any(self.statements.get(s.canonical) != s.signature for s, _ in version.contributions):
            return "a statement is not as its hospital signed it"
        if min(weights) < 1 or sum(weights) > PLAN.total_weight or max(weights) > 0.45 * sum(weights) + 1:
            return f"weights {weights}"
        return "" if (version.lineage, version.roster) == (self.run.lineage, self.book.roster.fingerprint) else "run"

    # ------------------------------------------------------------------ to the aggregator

    def _to_aggregator(self, kind: str) -> Callable[[random.Random, Found, bool], None]:
        def act(rng: random.Random, found: Found, honest: bool) -> None:
            all_of = self.run.sent[kind]
            sent = rng.choice(all_of[len(all_of) // 2 :])
            pool = [one.reply for one in (*all_of, *self.elsewhere.sent[kind]) if one is not sent]
            what, content = ("as it was", sent.reply) if honest else changed(sent.reply, pool, rng)
            again = kind in (TRAIN, ANSWER) and not honest and rng.random() < 0.5
            if again:
                how, identity = signed_again if kind == TRAIN else _answered_again, self.run.nodes[sent.node].identity
                content = how(content, identity)
            state = copied(sent.before)
            log = state.journal.log  # type: ignore[attr-defined]
            before = len(log)
            hand_in(state, sent.flight, content)
            outcome = next(event for event in map(read_line, log[before:]) if isinstance(event, Outcome))
            if isinstance(outcome, Refused):
                found.refused[f"{kind}: {outcome.name}"] += 1
                if wrong := self._left(state, sent):
                    found.wrong.append(f"{kind}, {what}: it was refused, but {wrong}")
                return
            found.accepted[f"{kind}: {outcome.name}"] += 1
            if wrong := self._taken(state, sent, content):
                found.wrong.append(f"{kind}, {what}{' (signed again)' if again else ''}: {wrong}")

        return act

    @staticmethod
    def _left(state: ServerState, sent: Sent) -> str:
        """What a refused reply left behind."""
        before = sent.before
        if state.journal.payloads.keys() != before.journal.payloads.keys():  # type: ignore[attr-defined]
            return "something was kept"
        if state.opening is not None and before.opening is not None:
            grown = len(state.opening.consents) > len(before.opening.consents)
            if grown or len(state.opening.answers) > len(before.opening.answers):
                return "it counts"
        return "an update waits" if len(state.buffer) > len(before.buffer) else ""

    def _taken(self, state: ServerState, sent: Sent, content: RecordDict) -> str:
        """What an accepted reply changed that it must not; empty when nothing."""
        committee = state.committee
        assert committee is not None  # the run has one
        for known in committee.known.values():
            if known.book.roster.fingerprint != self.book.roster.fingerprint:
                return "another roster was taken"
        for stretch in committee.certificates.values():
            for name, one in stretch.items():
                if self.sealing.get((name, one.stretch)) != one.key:
                    return f"another sealing key of {name} was taken"
        if sent.flight.kind == TRAIN:
            return self._taken_update(state, sent, content)
        if state.opening is None:
            return ""
        for name, consent in state.opening.consents.items():
            if consent.digest != state.opening.version.digest or not self._signed(name, consent):
                return f"a consent of {name} was taken that it did not sign"
        return self._finished(state) if sent.flight.kind == ANSWER else ""

    def _signed(self, name: str, consent: object) -> bool:
        key = bytes.fromhex(self.book.roster.hospitals[name])
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(consent.signature, consent.canonical)  # type: ignore[attr-defined]
        except InvalidSignature:
            return False
        return True

    def _finished(self, state: ServerState) -> str:
        """Have the other members answer honestly, make the version, open it: it must be the honest run's."""
        assert state.opening is not None
        number = state.opening.version.version
        for _ in range(4):
            if state.opening.complete:
                break
            for message, flight in list(questions(state)):
                state.roster.launch(str(flight.task), flight)
                reply = write_reply(self.run.act(flight.node, flight.kind, read_task(message.content)))
                hand_in(state, flight, reply)
        try:
            if finish(state) is None:
                return ""  # not every member answers any more: it is dropped, or asked again
            opened = self._opened(state, number)
        except UnopenedError:
            return ""  # every node refuses it
        listed = self._list(next(s for s in self.run.sent[ANSWER] if self._list(s.task).version == number).task)
        if state.opened[number].version.digest != listed.digest:
            return "another list was opened"
        wanted = self._honest(number)
        here = self.checked
        same = opened.keys() == wanted.keys() and all((opened[e][here] == wanted[e][here]).all() for e in opened)
        return "" if same else "another sum verifies"

    def _honest(self, number: int) -> dict[int, np.ndarray]:
        if number <= self.state.version:
            return self._opened(self.state, number)
        if not hasattr(self, "_third"):
            state = copied(self.state)
            finish(state)
            self._third = self._opened(state, number)
        return self._third

    def _taken_update(self, state: ServerState, sent: Sent, content: RecordDict) -> str:
        update, honest = read_reply(content), read_reply(sent.reply)
        assert isinstance(update, Update) and isinstance(honest, Update)
        try:
            Ed25519PublicKey.from_public_bytes(honest.public_key).verify(update.signature, update.signed_bytes())
        except InvalidSignature:
            return "an update was taken that its hospital did not sign"
        sealed, own = ([bytes(p.data) for p in u.payload if p.head.kind == COMMITTEE] for u in (update, honest))
        if (update.committee, sealed) == (honest.committee, own):
            return ""
        return "an update was taken whose statement its hospital did not sign"

    # ------------------------------------------------------------------ to members

    def _to_member(self, kind: str) -> Callable[[random.Random, Found, bool], None]:
        def act(rng: random.Random, found: Found, honest: bool) -> None:
            sent = rng.choice(self.run.sent[kind])
            pool = [s.task for s in (*self.run.sent[CONSENT], *self.run.sent[ANSWER], *self.elsewhere.sent[kind])]
            what, content = ("as it was", sent.task) if honest else changed(sent.task, pool, rng)
            if kind == CONSENT and rng.random() < 0.5:
                self._forget(sent.node)
            try:
                task = read_task(content)
            except ProtocolError:
                found.refused[f"asked, {kind}: the protocol"] += 1
                return
            try:
                reply = self.run.act(sent.node, kind, task)
                if isinstance(reply, Failure):
                    found.refused[f"asked, {kind}: {reply.kind}"] += 1
                else:
                    found.accepted[f"asked, {kind}"] += 1
                    if wrong := self._agreed(sent, task.committee, reply):
                        found.wrong.append(f"asked, {kind}, {what}: {wrong}")
                if wrong := self._twice(sent.node):
                    found.wrong.append(f"asked, {kind}, {what}: {wrong}")
            finally:
                for path, data in self.records.items():
                    if path.read_bytes() != data:
                        path.write_bytes(data)

        return act

    def _forget(self, node: int) -> None:
        """As before the member consented to anything."""
        for path, data in self.records.items():
            if path.parent.name == f"toy-{node}":
                path.write_bytes(data.split(b"\n")[0] + b"\n")

    def _agreed(self, sent: Sent, asked: bytes, reply: object) -> str:
        request = ListRequest.from_bytes(asked)
        if wrong := self._genuine(request.version):
            return wrong
        digest = request.version.digest
        if isinstance(reply, Consented):
            return "" if reply.digest == digest else "it consents to another list than it was asked for"
        assert isinstance(reply, Answered)
        given = {c.member for c in request.consents if c.digest == digest and self._signed(c.member, c)}
        if len(given | {f"toy-{sent.node}"}) < self.book.roster.quorum:
            return "it answers without a quorum's consents"
        return "" if AnswerFacts.from_bytes(reply.facts).digest == digest else "it answers for another list"

    def _twice(self, node: int) -> str:
        """Updates that a member's record has in two lists."""
        seen: dict[str, str] = {}
        for path in self.records:
            if path.parent.name == f"toy-{node}":
                for line in path.read_bytes().splitlines()[1:]:
                    said = json.loads(line)
                    for update in said["updates"]:
                        if seen.setdefault(update, said["list"]) != said["list"]:
                            return f"{update} is opened in two lists"
        return ""

    # ------------------------------------------------------------------ to nodes

    def _to_node(self, rng: random.Random, found: Found, honest: bool) -> None:
        what, content = ("as it was", self.task) if honest else changed(self.task, self.tasks, rng)
        state = NodeState("layout")
        try:
            task = read_task(content)
            catch_up(state, task, self._payloads(), Strikes(self.folder / "strikes.json", durable=False))
        except _BEHIND as error:
            found.refused[f"record: {type(error).__name__}"] += 1
            return
        found.accepted["record"] += 1
        held = {epoch: values[self.checked].tolist() for epoch, values in state.copy.values.items()}
        if self.sums.get(state.copy.version) != held:
            found.wrong.append(f"record, {what}: a node is at version {state.copy.version} with another sum")

    def _invited(self, rng: random.Random, found: Found, honest: bool) -> None:
        sent = rng.choice(self.run.sent[TRAIN])
        pool = [s.task for s in (*self.run.sent[TRAIN], *self.elsewhere.sent[TRAIN])]
        what, content = ("as it was", sent.task) if honest else changed(sent.task, pool, rng)
        try:
            task = read_task(content)
            if task.lineage != self.run.lineage:
                return  # it is of another run, of which the node keeps another state and other keys
            invited = self.run.keys[sent.node].invitation(task)
        except _BEHIND as error:
            found.refused[f"sealing keys: {type(error).__name__}"] += 1
            return
        found.accepted["sealing keys"] += 1
        for name, one in invited.certificates.items():
            if self.sealing.get((name, invited.stretch)) != one.key:
                found.wrong.append(f"sealing keys, {what}: something is sealed to another key than {name}'s")

    def _roster(self, rng: random.Random, found: Found, honest: bool) -> None:
        data = self.book.to_bytes()
        others = [s.reply.config_records[FACTS]["roster"] for s in self.elsewhere.sent[MEMBERSHIP]]
        try:
            book = RosterBook.from_bytes(data if honest else spelled(data, others, rng))  # type: ignore[arg-type]
        except RosterError:
            found.refused["roster: RosterError"] += 1
            return
        found.accepted["roster"] += 1
        if [one.fingerprint for one in book.revisions] != [one.fingerprint for one in self.book.revisions]:
            found.wrong.append("roster: one was taken that its hospitals did not sign")


def try_one(halls: Halls, rng: random.Random, found: Found, honest: bool = False, name: str = "") -> None:
    """One mutation of a message to somebody; ``honest``: the message as it was."""
    name = name or rng.choice(list(halls.targets))
    try:
        halls.targets[name](rng, found, honest)
    except Exception as error:
        found.crashes.append(f"{name}: {type(error).__name__}: {str(error)[:150]}")


def fuzz_committee(mutations: int, folder: Path, policy: str, seed: int) -> Found:
    """``mutations`` of them under ``policy``, after all messages as they were, which must be accepted."""
    halls, rng, found, control = Halls(folder, policy), random.Random(f"{seed}:{policy}"), Found(), Found()
    for name in halls.targets:
        for _ in range(6):
            try_one(halls, rng, control, honest=True, name=name)
    if control.refused or control.wrong or control.crashes:
        found.wrong += [f"as it was: {problem}" for problem in (*control.refused, *control.wrong, *control.crashes)]
    for _ in range(mutations):
        try_one(halls, rng, found)
    return found
