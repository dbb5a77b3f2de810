"""Faults of a soak around the committee: members that die between disk and reply, lie, forget, or are asked twice.

One member lies and forgets, as many as the committee allows for (``benchmarks.soak.consortium.UNTRUE``); the aggregator
and the network may do anything to any of them. What a member must never do is noted in ``Faults.allowed``.

Not for: what must hold of members' records afterwards (``benchmarks.soak.opened``).
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.soak.consortium import name_of
from benchmarks.soak.hospitals import Outcomes, flower_error
from benchmarks.soak.trouble import PAUSE, Act, Call
from benchmarks.soak.trouble import fault as any_fault
from client_app.committee import payloads
from client_app.identity import sign
from crossward.config.encryption_schemes import COMMITTEE
from crossward.encryption.committee.hospital import SealedUpdate, seal_update
from crossward.encryption.committee.opening import Answer
from crossward.encryption.committee.spelling import AnswerFacts, ListRequest, SealedFacts
from crossward.encryption.committee.statements import TAG_PRIME
from crossward.protocol.messages import ANSWER, CONSENT, MEMBERSHIP, TRAIN, Answered, Failure, Membership, Reply, Update
from crossward.protocol.parts import Part, Payload, join
from crossward.protocol.wire import read_reply, write_reply, write_task

LIE = "member signs a wrong share"

fault = functools.partial(any_fault, scheme=COMMITTEE)


def _ask(call: Call, committee: bytes) -> Reply:
    """What the member replies to ``committee`` in place of what it was asked, under the same task."""
    call.message.content = write_task(replace(call.task, committee=committee))
    return read_reply(call.handle().content)


def _another_list(request: ListRequest, call: Call) -> ListRequest:
    """The same updates with a unit of weight moved, or as another version."""
    version = request.version
    if call.rng.random() < 0.5:
        return replace(request, version=replace(version, version=version.version + 1))
    (first, n), (second, m), *rest = version.contributions
    moved = ((first, n - 1), (second, m + 1)) if n > m else ((first, n + 1), (second, m - 1))
    return replace(request, version=replace(version, contributions=(*moved, *rest)))


# ---------------------------------------------------------------------- lost, away, killed


@fault("consent lost", CONSENT)
@fault("answer lost", ANSWER)
def _(call: Call) -> Outcomes:
    call.handle()
    return []


@fault("member away when it is to consent", CONSENT)
@fault("member away when it is to answer", ANSWER)
def _(call: Call) -> Outcomes:
    call.grid.nodes[call.node].joins = call.grid.clock.now() + call.rng.uniform(30, PAUSE)
    return [(49.0, flower_error(call.message, 5))]


@fault("member killed between its record and its consent", CONSENT)
@fault("member killed between its record and its answer", ANSWER)
def _(call: Call) -> Outcomes:
    call.hospital.dies = "signing"
    return [(0.0, call.handle())]


@fault("member killed amid its record", CONSENT)
def _(call: Call) -> Outcomes:
    """The line is torn: what it said was never sent."""
    seat = call.world.shared.seat(call.hospital.number)
    before = {path: path.stat().st_size for path in seat.glob("*.opened")}
    call.handle()
    for path, size in before.items():
        if (now := path.stat().st_size) > size:
            os.truncate(path, call.rng.randint(size, now - 1))
    call.hospital.restart()
    call.grid.nodes[call.node].app = call.hospital.app
    return []


# ---------------------------------------------------------------------- keys and records


def _put_away(call: Call) -> None:
    """Whatever is done to a seat, what was in its records is looked at afterwards."""
    seat = call.world.shared.seat(call.hospital.number)
    if seat.exists():
        number = len(list(seat.parent.glob(f"{seat.name}.before-*")))
        shutil.copytree(seat, seat.with_name(f"{seat.name}.before-{number}"))


@fault("member's sealing keys lost", CONSENT, most=3)
def _(call: Call) -> Outcomes:
    _put_away(call)
    shutil.rmtree(call.world.shared.seat(call.hospital.number), ignore_errors=True)
    return [(0.0, call.handle())]


@fault("member's record damaged", CONSENT, most=2)
def _(call: Call) -> Outcomes:
    _put_away(call)
    if records := sorted(call.world.shared.seat(call.hospital.number).glob("*.opened")):
        path = call.rng.choice(records[-3:])
        path.write_bytes(path.read_bytes()[:-30] + b"\xff\n")
    return [(0.0, call.handle())]


@fault("member's record back from a backup", CONSENT, untrue=True)
def _(call: Call) -> Outcomes:
    """It forgets what it consented to since, and may consent to it in another list."""
    seat = call.world.shared.seat(call.hospital.number)
    request = ListRequest.from_bytes(call.task.committee)
    backup: dict[Path, bytes] = {path: path.read_bytes() for path in seat.glob("*.opened")}
    reply = _ask(call, _another_list(request, call).to_bytes())
    _put_away(call)
    for path, data in backup.items():
        path.write_bytes(data)
    call.world.counts["  consented to another list, and forgot it"] += not isinstance(reply, Failure)
    call.message.content = write_task(call.task)
    return [(0.0, call.handle())]


# ---------------------------------------------------------------------- an aggregator that lies


@fault("another list of the same updates after its consent", CONSENT)
@fault("another list of the same updates after its answer", ANSWER)
def _(call: Call) -> Outcomes:
    request, reply = ListRequest.from_bytes(call.task.committee), call.handle()
    if isinstance(read_reply(reply.content), Failure):
        return [(0.0, reply)]
    other = _another_list(request, call)
    for asked in (other, replace(other, consents=(), subsets=(), counts=())):
        if not isinstance(_ask(call, asked.to_bytes()), Failure):
            call.world.allowed.append(f"{name_of(call.hospital.number)} opens the same updates in two lists")
    return [(0.0, reply)]


@fault("another list of the same updates first", CONSENT)
def _(call: Call) -> Outcomes:
    """The member is lost to the list that the ledger has."""
    other = _another_list(ListRequest.from_bytes(call.task.committee), call)
    first = _ask(call, other.to_bytes())
    call.message.content = write_task(call.task)
    reply = call.handle()
    if not isinstance(first, Failure) and not isinstance(read_reply(reply.content), Failure):
        call.world.allowed.append(f"{name_of(call.hospital.number)} consents to two lists of the same updates")
    return [(0.0, reply)]


@fault("asked to answer without a quorum's consents", ANSWER)
def _(call: Call) -> Outcomes:
    """Too few, or one that its member did not sign."""
    request = ListRequest.from_bytes(call.task.committee)
    forged = [replace(consent, signature=call.rng.randbytes(64)) for consent in request.consents]
    few = request.consents[:1]
    for consents in (few, (), forged):
        if not isinstance(_ask(call, replace(request, consents=tuple(consents)).to_bytes()), Failure):
            call.world.allowed.append(f"{name_of(call.hospital.number)} answers without a quorum")
    call.message.content = write_task(call.task)
    return [(0.0, call.handle())]


@fault("asked an earlier question again", ANSWER)
def _(call: Call) -> Outcomes:
    """It answers with the same bytes as then, or not at all; the answer is no answer to what is asked now."""
    asked = call.world.asked[call.hospital.number]
    for task, said in asked:
        again = _ask(call, task.committee)
        if isinstance(again, Answered) and again.payload.data != said:
            call.world.allowed.append(f"{name_of(call.hospital.number)} answers the same question differently")
    call.message.content = write_task(replace(call.task, committee=asked[0][0].committee) if asked else call.task)
    reply, call.message.content = call.handle(), write_task(call.task)
    if isinstance(now := read_reply(reply.content), Answered) and not asked:
        asked.append((call.task, bytes(now.payload.data)))
    return [(0.0, reply)]


# ---------------------------------------------------------------------- a member that lies


def _lie(change: Callable[[Answer, Call], Answer]) -> Act:
    """An answer that the member changes and signs."""

    def act(call: Call) -> Outcomes:
        reply = call.handle()
        said = read_reply(reply.content)
        if not isinstance(said, Answered):
            return [(0.0, reply)]
        facts, parts = AnswerFacts.from_bytes(said.facts), list(said.payload)
        blocks = tuple(bytes(part.data) for part in parts)
        honest = Answer(facts.member, facts.digest, facts.subsets, blocks, facts.tag)
        answer = change(honest, call).signed(call.hospital.identity.sign)
        call.world.lies.append((answer.digest, answer.subsets))
        made = AnswerFacts(answer.member, answer.digest, answer.subsets, answer.tag, answer.signature).to_bytes()
        return call.reply(write_reply(replace(said, facts=made, payload=_with(parts, answer.blocks))))

    return act


def _with(parts: list[Part], blocks: tuple[bytes, ...]) -> Payload:
    return join([Part(part.head, block) for part, block in zip(parts, blocks, strict=True)])


def _flipped(answer: Answer, call: Call) -> Answer:
    block = bytearray(answer.blocks[0])
    block[call.rng.randrange(len(block))] ^= 1 << call.rng.randrange(8)
    return replace(answer, blocks=(bytes(block), *answer.blocks[1:]))


def _noise(answer: Answer, call: Call) -> Answer:
    return replace(answer, blocks=tuple(call.rng.randbytes(len(block)) for block in answer.blocks))


def _tag(answer: Answer, call: Call) -> Answer:
    return replace(answer, tag=(answer.tag + call.rng.randint(1, TAG_PRIME - 1)) % TAG_PRIME)


@fault(LIE, ANSWER, untrue=True)
def _(call: Call) -> Outcomes:
    return _lie(call.rng.choice((_flipped, _noise, _tag)))(call)


@fault("answer changed on its way", ANSWER)
def _(call: Call) -> Outcomes:
    reply = call.handle()
    said = read_reply(reply.content)
    if not isinstance(said, Answered):
        return [(0.0, reply)]
    data = bytearray(said.payload.data)
    data[call.rng.randrange(len(data))] ^= 1 << call.rng.randrange(8)
    parts = list(said.payload)
    return call.reply(write_reply(replace(said, payload=_with(parts, (bytes(data),)))))


@fault("another member's certificates", MEMBERSHIP)
def _(call: Call) -> Outcomes:
    """The roster's hospital says that another one's sealing keys are its own, or none."""
    reply = call.handle()
    said = read_reply(reply.content)
    if not isinstance(said, Membership):
        return [(0.0, reply)]
    data = bytearray(said.certificates)
    data[call.rng.randrange(len(data))] ^= 1 << call.rng.randrange(8)
    return call.reply(write_reply(replace(said, certificates=bytes(data))))


# ---------------------------------------------------------------------- a hospital that lies


@fault("seeds that do not open, signed", TRAIN, most=1)
def _(call: Call) -> Outcomes:
    """The server cannot see it; members decline the list, and it is dropped."""
    reply = call.handle()
    update = read_reply(reply.content)
    if not isinstance(update, Update):
        return [(0.0, reply)]
    facts = SealedFacts.from_bytes(update.committee)
    statement = replace(facts.statement, tag=(facts.statement.tag + 1) % TAG_PRIME)  # which boxes are bound to
    made = replace(facts, statement=statement.signed(call.hospital.identity.sign)).to_bytes()
    return call.reply(write_reply(sign(replace(update, committee=made), call.hospital.identity)))


@fault("a wrong tag, signed", TRAIN, most=1)
def _(call: Call) -> Outcomes:
    """Nobody can see it before the version that holds it is opened; it checks out at no node and is void."""

    def under_another_secret(*given: Any) -> SealedUpdate:
        arguments = [*given[:-2], given[-2][::-1], given[-1]]
        return seal_update(*arguments)

    with mock.patch.object(payloads, "seal_update", under_another_secret):
        return [(0.0, call.handle())]
