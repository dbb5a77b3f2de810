"""Federations of toy hospitals under the committee scheme: real seats, real records on disk, on the virtual grid."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from flwr.app import Message

from client_app.committee.keys import CommitteeKeys, Consortium
from client_app.committee.payloads import CommitteePayloads
from client_app.identity import sign
from client_app.update.payloads import Payloads, Vault
from client_app.update.sealer import UpdateSealer
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.committee import hospital, tags
from crossward.encryption.committee.opening import Answer
from crossward.encryption.committee.roster_file import RosterBook, make_book
from crossward.encryption.committee.spelling import AnswerFacts, SealedFacts
from crossward.encryption.committee.statements import Rules, Statement, box_digests
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.secret import Secret
from crossward.protocol.messages import Answered, RecordHead, Update
from crossward.protocol.parts import Part, join
from crossward.protocol.wire import read_reply, write_reply
from crossward.simulation.toy import toy_context, toy_identity
from crossward.simulation.virtual_grid import VirtualNode
from strategies.opening.committee import Committee
from tests.strategies.conftest import DIMENSION, Federation

SECRET = Secret(bytes(range(32)))
Outcome = list[tuple[float, Message]]


def vault(key: ConsortiumKey | None = None, policy: str = "all") -> Vault:
    blocks = (True, False) if policy == "sensitive" else None
    return Vault(EncryptionSettings(policy, scheme="committee", workers=1), key or ConsortiumKey(SECRET), blocks)


Make = Callable[..., "CommitteeFederation"]


def name(number: int) -> str:
    return f"h{number}"


@dataclass
class CommitteeFederation(Federation):
    """The first ``members`` of the hospitals h0, h1, ... are the committee; node ``i + 1`` is h``i``.

    ``books`` is the roster file of each, by number, read anew at every task; ``again`` are further nodes of hospitals,
    node -> (number, joins at). A hospital, by its number, signs wrong tags for tasks where ``false_tags`` says so.
    ``quantised`` has the integers of every update by task.
    """

    vault: Vault = field(default_factory=vault)
    members: int = 4
    hospitals: int = 0
    stretch: int = 16
    books: dict[int, RosterBook] = field(default_factory=dict)
    again: Mapping[int, tuple[int, float]] = field(default_factory=dict)
    quantised: dict[int, np.ndarray] = field(default_factory=dict)
    false_tags: Callable[[int, Any], bool] = lambda number, task: False

    def __post_init__(self) -> None:
        count = self.hospitals or len(self.compute)
        self.identities = {name(number): toy_identity(number + 1) for number in range(count)}
        self.book = make_book(self.identities, [name(number) for number in range(self.members)])
        super().__post_init__()
        self.rules = Rules(self.settings.min_contributors, self.settings.max_share)
        for node, (number, joins) in self.again.items():
            old = self.nodes[number + 1]
            self.nodes[node] = VirtualNode(old.app, toy_context(number), old.speed, joins)

    @property
    def committee(self) -> Committee:
        return Committee(self.journal.lineage, self.stretch)

    def stretches(self, number: int) -> Path:
        """Where a member's sealing keys and records of what it opened are."""
        return self.folder / self.journal.lineage / str(number) / "stretches"

    def keys(self, number: int) -> CommitteeKeys:
        book = self.books.get(number, self.book)
        return CommitteeKeys.of(book, self.rules, toy_identity(number + 1), self.stretches(number), self.stretch)

    def sealer(self, number: int) -> UpdateSealer:
        noted, lies = self.quantised, lambda task: self.false_tags(number, task)
        return _Noting(self.vault, self.noise(number), committee=self.keys(number), noted=noted, lies=lies)

    # ------------------------------------------------------------------ what came of it

    def payloads(self) -> Payloads:
        newest = max((self.book, *self.books.values()), key=lambda book: book.roster.revision)
        return CommitteePayloads((8, 8), self.plan, self.vault, self.journal.lineage, Consortium(newest, self.rules))

    def version_sum(self, line: Mapping[str, Any], exact: bool = False) -> np.ndarray:
        kept, payload = self.journal.open(f"versions/{line['version']:06d}")
        names = ("weight_sum", "sign", "key", "dithered")
        facts = {known: line[known] for known in names} | {"proof": kept["proof"]}
        facts |= {"reverts": line["reverts"]} if "reverts" in line and "reverts" in RecordHead._fields else {}
        out = np.zeros(DIMENSION, np.int64)
        if line["version"] in self.strategy.state.run.discarded_versions:
            return out
        for place, values in self.payloads().open(
            payload, RecordHead(line["version"], line["version"], line["epoch"], **facts)
        ):
            out[place] = values
        return out

    def check_residuals(self, nodes: Any = None) -> None:
        """What a node's accepted updates left over is its residual: sum of deltas = sum of updates + residual."""
        assert self.schedule is not None
        voided = {task for line in self.lines("void") for task in line["tasks"]}
        accepted = {task for task, outcome in self.outcomes().items() if outcome == ["accepted"]} - voided
        for node in nodes if nodes is not None else self.nodes:
            state = self.state_of(node)
            wanted, got = np.zeros(DIMENSION), np.zeros(DIMENSION)
            for task, (who, update) in self.sent.items():
                if who == node and task in accepted:
                    got += self.quantised[task] * self.schedule.value_range(update.epoch) / self.plan.q_max
                    wanted += self.deltas[node, update.version]
            residual = np.zeros(DIMENSION) if state.residual is None else state.residual
            assert np.allclose(wanted, got + residual, atol=1e-6), f"node {node}"

    def check_sums(self) -> None:
        """Every version that counts is the weighted sum of its updates, but for the dither."""
        most = 2 * self.plan.total_weight
        discarded = self.strategy.state.run.discarded_versions
        for line in self.made():
            if line["version"] in discarded or not line["tasks"]:
                continue
            exact = sum(w * self.quantised[task] for w, task in zip(line["weights"], line["tasks"], strict=True))
            assert np.abs(self.version_sum(line) - exact).max() <= most, line["version"]

    def opened_updates(self) -> list[str]:
        """Updates in the members' records, each once a list that it is in; every member's are of one list each."""
        lists: dict[str, set[str]] = {}
        for number in range(len(self.identities)):
            for path in sorted(self.stretches(number).glob("*.opened")):
                for row in map(json.loads, path.read_text().splitlines()[1:]):
                    for update in row["updates"]:
                        lists.setdefault(update, set()).add(row["list"])
        return [update for update, held in lists.items() for _ in held]

    def check_opened_once(self) -> None:
        """No update is in two lists that members consented to."""
        updates = self.opened_updates()
        assert updates and len(updates) == len(set(updates))

    def check_all(self, nodes: Any = None) -> None:
        self.check_accounts()
        self.check_agreement(nodes)
        self.check_residuals(nodes)
        self.check_sums()
        self.check_opened_once()
        left = [kept for kept in getattr(self.journal, "payloads", {}) if kept.startswith("answers/")]
        newest = self.strategy.state.hashes.newest
        assert all(int(kept.rsplit("/", 1)[1][:6]) > newest for kept in left), left


@dataclass(frozen=True)
class _Noting(UpdateSealer):
    """Remembers what is sealed."""

    noted: dict[int, np.ndarray] = field(default_factory=dict)
    lies: Callable[[Any], bool] = lambda task: False

    def payloads(self, sizes: Any, plan: Any, lineage: str) -> Payloads:
        made = super().payloads(sizes, plan, lineage)
        seal_for = made.seal_for

        def noting(task: Any, values: Any) -> Any:
            self.noted[task.task] = np.asarray(values, np.int64).copy()
            if not self.lies(task):
                return seal_for(task, values)
            with mock.patch.object(hospital, "tag_key", lambda secret, lineage: tags.tag_key(b"another", lineage)):
                return seal_for(task, values)

        made.seal_for = noting  # type: ignore[method-assign]
        return made


# ---------------------------------------------------------------------- what may go wrong


def on(
    node: int, kind: str, act: Callable[[Message, Message], Outcome], times: range | set[int] = range(1, 1 << 30)
) -> Callable[[int, Message, Message], Outcome]:
    """A fault that does ``act`` to the ``times``-th replies of a node to messages of ``kind``."""
    seen = 0

    def fault(who: int, message: Message, reply: Message) -> Outcome:
        nonlocal seen
        if who != node or message.metadata.message_type != kind:
            return [(0.0, reply)]
        seen += 1
        return act(message, reply) if seen in times else [(0.0, reply)]

    return fault


def both(*faults: Callable[[int, Message, Message], Outcome]) -> Callable[[int, Message, Message], Outcome]:
    """The first of ``faults`` that does anything."""

    def fault(who: int, message: Message, reply: Message) -> Outcome:
        for one in faults:
            if (out := one(who, message, reply)) != [(0.0, reply)]:
                return out
        return [(0.0, reply)]

    return fault


def lost(message: Message, reply: Message) -> Outcome:
    return []


def late(seconds: float) -> Callable[[Message, Message], Outcome]:
    return lambda message, reply: [(seconds, reply)]


def twice(message: Message, reply: Message) -> Outcome:
    return [(0.0, reply), (0.3, reply)]


def answered(message: Message, content: Any) -> Outcome:
    return [(0.0, Message(content=write_reply(content), reply_to=message))]


def changed_answer(
    number: int, change: Callable[[Answer], Answer], when: Callable[[Answer], bool] = lambda answer: True
) -> Callable[[Message, Message], Outcome]:
    """The member's answer, changed and signed again by it, where ``when`` says so."""

    def act(message: Message, reply: Message) -> Outcome:
        content = read_reply(reply.content)
        if not isinstance(content, Answered):
            return [(0.0, reply)]
        facts = AnswerFacts.from_bytes(content.facts)
        blocks = tuple(bytes(part.data) for part in content.payload)
        answer = Answer(facts.member, facts.digest, facts.subsets, blocks, facts.tag, facts.signature)
        if not when(answer):
            return [(0.0, reply)]
        made = change(answer).signed(toy_identity(number + 1).sign)
        spelled = AnswerFacts(made.member, made.digest, made.subsets, made.tag, made.signature).to_bytes()
        parts = (Part(head, block) for head, block in zip(content.payload.heads, made.blocks, strict=True))
        return answered(message, replace(content, facts=spelled, payload=join(parts)))

    return act


def wrong_share(answer: Answer) -> Answer:
    first = bytearray(answer.blocks[0])
    first[0] ^= 1
    return replace(answer, blocks=(bytes(first), *answer.blocks[1:]))


def wrong_tag(answer: Answer) -> Answer:
    return replace(answer, tag=answer.tag ^ 1)


def combined(answer: Answer) -> bool:
    return len(answer.subsets) > 1


def resealed(number: int, update: Update, statement: Statement, boxes: Mapping[str, bytes]) -> Update:
    """``update`` with another statement and boxes, all signed again by its hospital."""
    signed = statement.signed(toy_identity(number + 1).sign)
    return sign(replace(update, committee=SealedFacts(signed, boxes).to_bytes()), toy_identity(number + 1))


def wrong_boxes(number: int, book: Callable[[], RosterBook], *members: str) -> Callable[[Message, Message], Outcome]:
    """A hospital's update whose boxes for ``members`` do not open, all signed as it must be."""

    def act(message: Message, reply: Message) -> Outcome:
        update = read_reply(reply.content)
        if not isinstance(update, Update):
            return [(0.0, reply)]
        facts = SealedFacts.from_bytes(update.committee)
        spoiled = {who: box[:-1] + bytes([box[-1] ^ 1]) if who in members else box for who, box in facts.boxes.items()}
        statement = replace(facts.statement, boxes=box_digests(book().roster, spoiled))
        return answered(message, resealed(number, update, statement, spoiled))

    return act
