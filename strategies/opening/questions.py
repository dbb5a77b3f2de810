"""Questions to nodes about rosters and version lists, and what their replies do.

Every node is asked once which roster it follows, and members again when a stretch begins; members are asked to consent
to a version list and to answer for it. A node answers these beside its other work.

Not for: training and evaluation tasks (``strategies.exchange.dispatch``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace
from logging import INFO, WARNING

from flwr.app import Message
from flwr.common import log

from crossward.config.encryption_schemes import COMMITTEE
from crossward.encryption.committee.opening import Answer, AnswerError
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.committee.signatures import verified
from crossward.encryption.committee.spelling import AnswerFacts, SpellingError
from crossward.encryption.committee.statements import Consent
from crossward.ledger.events import Assisted, refused
from crossward.protocol.messages import (
    ANSWER,
    CONSENT,
    DECLINED,
    KINDS,
    MALFORMED,
    MEMBERSHIP,
    WRONG_KEY,
    Answered,
    Consented,
    Membership,
    Task,
)
from crossward.protocol.parts import ProtocolError
from crossward.protocol.wire import write_task
from strategies.history.roster import Flight, NodeView
from strategies.history.state import ServerState
from strategies.opening import recheck
from strategies.opening.making import drop_for_roster, take_up
from strategies.opening.round import Asked, Round

Question = tuple[Message, Flight]


def asking(state: ServerState) -> bool:
    """Whether a connected node that did not fail to say so has still to say which roster it follows."""
    committee = state.committee
    return committee is not None and any(
        committee.to_be_asked(node) and not state.roster.nodes[node].failures for node in state.roster.present
    )


def settle_roster(state: ServerState) -> None:
    """Take up the roster that nodes follow, where it is known or has changed, and what was begun under it."""
    if (committee := state.committee) is None:
        return
    if (met := committee.choose(asking(state))) is not None:
        assert committee.book is not None  # noqa: S101 - for mypy: it is what was just taken up
        changed = state.run.committee is not None and state.run.committee.roster != met.roster
        log(INFO, "Roster %s (revision %s), committee: %s", met.roster[:16], met.revision, ", ".join(met.members))
        state.journal.keep_roster(committee.book.to_bytes())
        state.record(met)
        if changed:
            drop_for_roster(state)
    take_up(state)


def questions(state: ServerState) -> Iterator[Question]:
    """What nodes are to be asked now, each composed as it is asked for."""
    if (committee := state.committee) is None:
        return
    now = state.clock.now()
    asked = {flight.node for flight in state.roster.flights.values() if flight.kind == MEMBERSHIP}
    for node in sorted(state.roster.present - asked):
        view = state.roster.nodes[node]
        if (committee.to_be_asked(node) or committee.lags(node)) and view.not_before <= now:
            yield _composed(state, view, MEMBERSHIP, b"")
    recheck.forget_verified(state)
    for doubted in list(state.rechecks.values()):
        recheck.go_on(state, doubted, _reachable(state, doubted))
    for found in under_way(state):
        for member, subsets in found.questions(_reachable(state, found), now).items():
            if (at := committee.at(member)) is None:
                continue
            found.asked[member] = Asked(at, subsets)
            kind, data = ANSWER if subsets else CONSENT, found.request(member, subsets).to_bytes()
            yield _composed(state, state.roster.nodes[at], kind, data, found)


def under_way(state: ServerState) -> list[Round]:
    """The lists that members are being asked for."""
    return [*state.rechecks.values(), *([] if state.stop_reason else state.openings)]


def _reachable(state: ServerState, found: Round) -> list[str]:
    """Members that are connected: those last that lied or do not answer, first those that are idle and quick."""
    assert state.committee is not None  # noqa: S101 - for mypy: only a run with one comes here
    busy = {flight.node for flight in state.roster.flights.values() if not KINDS[flight.kind].beside}
    order = []
    for name in found.roster.committee:
        node = state.committee.at(name)
        if node is not None and node in state.roster.present:
            kind = ANSWER if found.agreed else CONSENT
            silent, expected = state.forecast.silent(node, kind), state.forecast.expected(node, kind) or 0.0
            order.append((name in state.run.liars, silent, node in busy, expected, name))
    return [name for *_, name in sorted(order)]


def _composed(state: ServerState, view: NodeView, kind: str, data: bytes, found: Round | None = None) -> Question:
    state.next_task += 1
    version = state.version if found is None else found.version.version
    task = Task(
        lineage=state.journal.lineage,
        task=state.next_task,
        version=state.version,
        epoch=state.schedule.epoch(state.version),
        from_version=state.version,
        versions=state.schedule.versions,
        plan=astuple(state.plan),
        head=state.journal.head(),
        key=state.key,
        committee=data,
    )
    now, ttl = state.clock.now(), state.forecast.deadline(view.node, kind, len(data))
    message = Message(
        content=write_task(task), dst_node_id=view.node, message_type=kind, ttl=ttl, group_id=str(version)
    )
    return message, Flight(view.node, task.task, kind, version, task.epoch, now, now + ttl, len(data), found)


# ---------------------------------------------------------------------- answers


def failed(state: ServerState, flight: Flight, outcome: str, reason: str) -> None:
    """A member did not consent or answer; another is asked, and it again after a pause."""
    view = state.roster.nodes[flight.node]
    facts = {"task": flight.task, "node": str(flight.node), "hospital": view.hospital, "version": flight.version}
    state.record(refused(outcome, kind=flight.kind, reason=reason, **facts))
    found = flight.round
    if not isinstance(found, Round):
        return
    if member := found.member_at(flight.node):
        why = reason if outcome in (DECLINED, MALFORMED) else ""
        log(WARNING, "%s did not help to open version %s: %s", member, flight.version, reason)
        found.failed(member, state.clock.now(), state.settings.retry_seconds, why)
    if outcome in (DECLINED, WRONG_KEY) and state.committee is not None:
        state.committee.doubt(flight.node)  # it may follow another roster by now


def take_membership(state: ServerState, flight: Flight, view: NodeView, reply: Membership) -> None:
    """A node says which roster it follows.

    Raises
    ------
    ProtocolError
        the reply cannot be used.
    """
    committee = state.committee
    if committee is None:
        raise ProtocolError("a roster came, but this run has no committee")
    followed = committee.invites(view.node)
    try:
        committee.take(view.node, reply)
    except (RosterError, SpellingError) as error:
        raise ProtocolError(str(error)) from error
    if committee.lags(view.node):  # its hospital may update it at any time
        log(WARNING, "%s follows another roster than this run and gets no tasks; it is asked again", view.hospital)
        state.roster.back_off(view, state.clock.now(), state.settings.retry_seconds)
    else:
        if not view.refusing or committee.invites(view.node) > followed:  # else it would train, and refuse, again
            view.failures, view.not_before = 0, 0.0
    _assisted(state, flight, view, committee.known[view.node].name, len(reply.roster) + len(reply.certificates))


def take_consent(state: ServerState, flight: Flight, view: NodeView, reply: Consented) -> None:
    """A member consents to a list.

    Raises
    ------
    ProtocolError
        to another one, or it is not signed by it.
    """
    found = _asked(flight)
    member = found.member_at(view.node)
    consent = Consent(reply.member, reply.digest, reply.signature)
    if (consent.member, consent.digest) != (member, found.version.digest):
        raise ProtocolError(f"a consent of {reply.member[:60]!r} to another list than {member} was asked for")
    if not verified(found.roster.identity(member), consent.signature, consent.canonical):
        raise ProtocolError(f"the consent of {member} is not signed by it")
    found.helped(member)
    found.consents[member] = consent
    state.progress = state.clock.now()
    found.work += _assisted(state, flight, view, member, 0, reply.seconds)


def take_answer(state: ServerState, flight: Flight, view: NodeView, reply: Answered) -> None:
    """A member's share of a list, checked and kept.

    Raises
    ------
    ProtocolError
        it is not what was asked.
    """
    found = _asked(flight)
    member = found.member_at(view.node)
    if all(found is not one for one in under_way(state)):  # its list has been opened meanwhile, or dropped
        _assisted(state, flight, view, "", reply.payload.size, reply.seconds)
        return
    subsets = found.asked[member].subsets
    try:
        facts = AnswerFacts.from_bytes(reply.facts)
        blocks = tuple(bytes(part.data) for part in reply.payload)
        answer = Answer(facts.member, facts.digest, facts.subsets, blocks, facts.tag, facts.signature)
        if facts.member != member or reply.payload.shape != tuple((COMMITTEE, count) for count in found.counts):
            raise AnswerError(f"an answer of {facts.member[:60]!r}, or of other parts, came from {member}")
        answer.check(found.roster, found.version, subsets, found.counts)
    except (SpellingError, AnswerError, RosterError) as error:
        raise ProtocolError(str(error)) from error
    state.journal.keep(found.name_of(answer), {}, reply.payload)
    found.helped(member)
    found.answers.append(replace(answer, blocks=()))
    state.progress = state.clock.now()
    found.work += _assisted(state, flight, view, member, reply.payload.size, reply.seconds)


def _asked(flight: Flight) -> Round:
    if not isinstance(flight.round, Round):
        raise ProtocolError("it answers no question about a version list")
    return flight.round


def _assisted(state: ServerState, flight: Flight, view: NodeView, member: str, size: int, worked: float = 0.0) -> float:
    """Record an answer of ``size`` bytes; the seconds that the node ``worked``, within its round trip."""
    seconds = state.clock.now() - flight.sent
    worked = min(max(worked, 0.0), seconds)
    state.record(
        Assisted(
            task=flight.task,
            node=str(flight.node),
            hospital=view.hospital,
            member=member,
            kind=flight.kind,
            version=flight.version,
            seconds=seconds,
            bytes=size,
            compute_seconds=worked,
        )
    )
    return worked
