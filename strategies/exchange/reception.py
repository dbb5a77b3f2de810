"""Taking answers: every reply, error and silence becomes an outcome in the journal.

Not for: what a full buffer becomes (``strategies.aggregation.versions``).
"""

from __future__ import annotations

from collections.abc import Callable
from logging import WARNING
from typing import Any

from flwr.app import Message
from flwr.common import log

from crossward.config.privacy_settings import LOCAL_UNITS
from crossward.ledger import reasons
from crossward.ledger.events import Accepted, Disagreement, Duplicate, Measured, SnapshotDropped, refused
from crossward.protocol.messages import (
    ANSWER,
    BEHIND,
    CONSENT,
    DUPLICATE,
    FAILED,
    KINDS,
    LATE,
    MALFORMED,
    WRONG_KEY,
    Answered,
    Consented,
    Evaluation,
    Failure,
    Membership,
    Reply,
    Update,
)
from crossward.protocol.parts import ProtocolError
from crossward.protocol.wire import read_reply
from strategies.aggregation.discarded import report_unopened
from strategies.exchange.admission import Expected, Refusal, examine
from strategies.exchange.launches import adopt
from strategies.history.roster import Flight, NodeView
from strategies.history.state import ServerState, multiplier, multiplier_room
from strategies.opening import questions, recheck
from strategies.opening.admission import remember, unsealable
from strategies.opening.making import kept_facts

ATTEMPTS = 3


def fail(state: ServerState, flight: Flight, outcome: str, reason: str) -> None:
    """Record that a task failed; the node is asked again after a pause, or at once if it was only behind."""
    if flight.kind in (CONSENT, ANSWER):
        questions.failed(state, flight, outcome, reason)
        return
    view = state.roster.nodes[flight.node]
    facts = {"task": flight.task, "node": str(flight.node), "hospital": view.hospital, "version": flight.version}
    state.record(refused(outcome, kind=flight.kind, reason=reason, **facts))
    if outcome == LATE:
        return
    view.reason = reason
    at_once = outcome == BEHIND and view.failures == 0
    state.roster.back_off(view, state.clock.now(), 0.0 if at_once else state.settings.retry_seconds)
    if view.todo and flight.kind == view.todo:
        view.attempts += not state.rechecks  # a version that is made anew is no fault of this node
        if view.attempts >= ATTEMPTS:
            log(WARNING, "%s could not do '%s' in %s attempts: %s", view.hospital, view.todo, ATTEMPTS, reason)
            view.todo, view.attempts = "", 0


def expire(state: ServerState) -> bool:
    """Give up tasks past their deadline; whether there were any."""
    overdue = state.roster.overdue(state.clock.now())
    for message_id in overdue:
        if (flight := state.roster.land(message_id)) is not None:
            state.forecast.unanswered(flight.node, flight.kind)
            waited = flight.deadline - flight.sent
            fail(state, flight, FAILED, reasons.NO_REPLY(seconds=waited).text)
    return bool(overdue)


def receive(state: ServerState, message: Message) -> None:
    """Take in one reply."""
    flight = state.roster.land(message.metadata.reply_to_message_id)
    if flight is None:
        adopt(state)
        flight = state.roster.land(message.metadata.reply_to_message_id)
    if flight is None:
        node = str(message.metadata.src_node_id)
        state.record(Duplicate(task=-1, node=node, reason=reasons.NO_TASK().text))
        return
    if message.has_error():
        error = message.error
        fail(state, flight, FAILED, reasons.FLOWER(code=error.code, text=(error.reason or "")[-500:]).text)
        return
    try:
        reply = read_reply(message.content)
        unread = (
            isinstance(reply, Failure) and reply.kind == MALFORMED and reply.task == -1
        )  # it could not read the task
        if not unread and (reply.lineage, reply.task) != (state.journal.lineage, flight.task):
            other = reasons.OTHER_TASK(task=reply.task, lineage=reply.lineage, asked=flight.task)
            raise ProtocolError(other.text)
        if not isinstance(reply, (Failure, KINDS[flight.kind].reply)):
            raise ProtocolError(reasons.OTHER_KIND(kind=type(reply).__name__, asked=flight.kind).text)
    except ProtocolError as error:
        state.roster.nodes[flight.node].refused = str(error)
        fail(state, flight, MALFORMED, str(error))
        return
    view = state.roster.nodes[flight.node]
    if not isinstance(reply, Failure):
        state.forecast.observe(view.node, flight.kind, state.clock.now() - flight.sent, flight.bytes_down)
    try:
        _TAKES[type(reply)](state, flight, view, reply)
    except ProtocolError as error:  # it can be read, but does not hold together
        fail(state, flight, MALFORMED, str(error))


def _take_failure(state: ServerState, flight: Flight, view: NodeView, reply: Failure) -> None:
    view.refusing = reply.kind == WRONG_KEY
    if view.refusing and state.committee is not None:
        state.committee.doubt(view.node)  # it may follow another roster by now
    if reply.kind == BEHIND:
        view.held = reply.held if 0 <= reply.held <= flight.version else 0
        confirmed = state.snapshots.confirmed
        if view.failures and confirmed is not None:  # not the first time: the snapshot may be at fault
            state.record(SnapshotDropped(reason=reply.reason))
            state.snapshots.drop(confirmed)
    fail(state, flight, reply.kind, reply.reason)
    if reply.first >= 0:
        report_unopened(state, view, reply.first, reply.last, reply.reason, flight.task)


def _take_evaluation(state: ServerState, flight: Flight, view: NodeView, reply: Evaluation) -> None:
    view.held, view.failures, view.attempts = flight.version, 0, 0
    current = flight.round is state.round  # not of a round that has been closed since
    if current:
        view.todo = ""
    state.progress = state.clock.now()
    _report(state, view, flight, reply.state_hash)
    state.record(
        Measured(
            task=flight.task,
            node=str(flight.node),
            hospital=view.hospital,
            kind=flight.kind,
            site=reply.site,
            version=flight.version,
            seconds=reply.seconds,
            measures=reply.measures,
        )
    )
    if state.round is not None and current:
        state.round.add(view.node, reply.site, reply.measures)


def _refusal(state: ServerState, flight: Flight, view: NodeView, update: Update) -> Refusal | None:
    expected = Expected(
        state.journal.lineage,
        flight.task,
        flight.version,
        flight.epoch,
        state.key,
        state.run.layout,
        state.run.shape,
        view.public_key,
        state.kinds,
        state.schedule.versions,
        state.schedule.local_steps,
        privacy_unit=state.privacy_unit,
        ranks=state.ranks,
    )
    staleness = state.version - flight.version
    limits = (staleness, state.max_staleness, multiplier(state, flight.version), multiplier_room(state))
    refusal = examine(update, expected, state.plan, *limits) or unsealable(state, flight.version, update)
    if refusal is None and any(waiting.hospital == hospital(update) for waiting in state.free):
        return Refusal(DUPLICATE, reasons.WAITS())
    agreed = state.hashes.agreed(flight.version)
    if refusal is None and state.run.layout and agreed not in ("", update.state_hash):
        return Refusal(MALFORMED, reasons.ASTRAY(version=flight.version))
    if refusal is None and hospital(update) in state.run.excluded:
        return Refusal(MALFORMED, reasons.EXCLUDED())
    if refusal is None and state.stop_reason:
        return Refusal(LATE, reasons.COMPLETE(reason=state.stop_reason))
    return refusal


def hospital(update: Update) -> str:
    """Short name of the identity that signed an update."""
    return update.public_key.hex()[:16]


def _take_update(state: ServerState, flight: Flight, view: NodeView, update: Update) -> None:
    now = state.clock.now()
    refusal = _refusal(state, flight, view, update)
    view.held = flight.version  # it trained from there, whatever becomes of its update
    view.refused = refusal.reason.text if refusal is not None and refusal.outcome != LATE else ""
    if refusal is not None:
        if refusal.reason.reason in (reasons.WAITS, reasons.EXCLUDED):  # its signature was checked: whose node this is
            view.public_key = update.public_key
        if refusal.reason.reason is reasons.ASTRAY:
            _report(state, view, flight, update.state_hash)
        fail(state, flight, refusal.outcome, refusal.reason.text)
        return
    kept = _accepted(state, flight, view, update, now - flight.sent)
    state.journal.keep(kept.payload, kept_facts(update.committee), update.payload)
    state.record(kept)
    remember(state, update)
    state.progress = now
    view.public_key, view.site = update.public_key, update.site
    view.failures = 0
    _report(state, view, flight, update.state_hash)
    _take_snapshot(state, flight, update)


def _accepted(state: ServerState, flight: Flight, view: NodeView, update: Update, seconds: float) -> Accepted:
    """The event of an update that took ``seconds``: its claims are held to bounds, its link's speed is measured."""
    size = (
        update.payload.size
        + len(update.committee)
        + (sum(p.size for p in update.snapshot[1]) if update.snapshot else 0)
    )
    name = hospital(update)
    update, clamped = state.claims.bounded(name, update, seconds)
    if clamped:
        log(WARNING, "%s reported values out of bounds, which were clamped: %s", update.site, "; ".join(clamped))
    state.bandwidths.observe(view.node, size + flight.bytes_down, seconds, update.compute_seconds)
    return Accepted(
        task=flight.task,
        node=str(view.node),
        hospital=name,
        site=update.site,
        version=flight.version,
        layout=update.layout,
        key=update.key,
        seal_seconds=update.seal_seconds,
        open_seconds=update.open_seconds,
        shape=update.payload.shape,
        digest=update.payload.digest(),
        loss_sum=update.loss_sum,
        num_tokens=update.num_tokens,
        num_examples=update.num_examples,
        bandwidth=state.bandwidths.value(view.node),
        staleness=state.version - flight.version,
        multiplier=multiplier(state, flight.version),
        signature=update.signature.hex(),
        state_hash=update.state_hash,
        bytes=size,
        steps=update.steps,
        seconds=seconds,
        train_seconds=update.train_seconds,
        compute_seconds=update.compute_seconds,
        clipped=update.clipped,
        loss_noise=update.loss_noise,
        rank=update.rank,
        **(_spent(update) if update.privacy_unit in LOCAL_UNITS else {}),
        clamped=tuple(clamped),
    )


def _take_snapshot(state: ServerState, flight: Flight, update: Update) -> None:
    """Offer the snapshot that came with an update, and replace the confirmed one where hospitals agree on a newer."""
    if update.snapshot is not None and update.snapshot[0].version == flight.version:
        state.snapshots.offer(*update.snapshot, update.state_hash)
    if (confirmed := state.snapshots.agreed()) is not None:
        replaced = state.snapshots.confirmed
        state.record(confirmed)
        if replaced is not None:
            state.snapshots.drop(replaced)


def _spent(update: Update) -> dict[str, Any]:
    """What the ledger holds of a private training: its loss is withheld, its price is not."""
    return {
        "privacy_unit": update.privacy_unit,
        "local_epsilon": update.local_epsilon,
        "local_epsilon_step": update.local_epsilon_step,
    }


def _report(state: ServerState, view: NodeView, flight: Flight, digest: str) -> None:
    version = flight.version
    recheck.verified(state, view.hospital, version, flight.task)
    if not state.hashes.report(version, view.hospital, digest):
        disagreeing = state.hashes.disagreeing(version) or [view.hospital]
        log(WARNING, "%s: holds another state of version %s than the others", ", ".join(disagreeing), version)
        state.record(Disagreement(node=str(view.node), hospitals=tuple(disagreeing), version=version))
        for other in state.roster.nodes.values():
            if other.hospital in disagreeing:
                other.held = 0  # its next task brings everything, and it starts over


_TAKES: dict[type[Reply], Callable[[ServerState, Flight, NodeView, Any], None]] = {
    Failure: _take_failure,
    Evaluation: _take_evaluation,
    Update: _take_update,
    Membership: questions.take_membership,
    Consented: questions.take_consent,
    Answered: questions.take_answer,
}
