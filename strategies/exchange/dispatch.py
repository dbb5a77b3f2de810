"""Asking nodes: a task with exactly the records that the node lacks.

Not for: deciding who is asked (``strategies.async_hybrid``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from itertools import chain

from flwr.app import Message
from flwr.serverapp import Grid

from crossward.ledger import reasons
from crossward.protocol.messages import FAILED, KINDS, TRAIN, Included, SnapshotHead, Task
from crossward.protocol.parts import Payload
from crossward.protocol.wire import write_task
from strategies.exchange.launches import launched
from strategies.exchange.reception import fail
from strategies.history.roster import Flight, NodeView
from strategies.history.state import ServerState

SentSnapshot = tuple[SnapshotHead, tuple[Payload, ...]]


def _from_snapshot(state: ServerState, held: int) -> SentSnapshot | None:
    """The snapshot, if starting over from it is the smaller download for a node at version ``held``."""
    head = state.snapshots.confirmed
    if head is None or held >= head.version:
        return None
    direct = state.catch_up.count(held, state.version)
    # a snapshot's fields are up to twice as wide as a record's
    smaller = 2 * len(head.epochs) + state.catch_up.count(head.version, state.version) < direct
    # whoever joined after the consortium's key changed cannot open what came before
    old = any(state.run.versions[v].key != state.key for v in range(held + 1, head.version + 1))
    return state.snapshots.load() if smaller or (old and head.key == state.key) else None


def _wants_snapshot(state: ServerState, view: NodeView, kind: str) -> bool:
    if not state.bandwidths.usual(view.node):
        return False  # a snapshot may double what the node has to send: one with a better link will come
    every, confirmed = state.settings.snapshot_every, state.snapshots.confirmed
    if kind == TRAIN and state.version and (confirmed is None or confirmed.key != state.key):
        facts = state.run.versions
        if any(facts[v].key != state.key for v in (1, state.version)):
            return True  # after a change of the key newcomers cannot open what is there
    return kind == TRAIN and every > 0 and state.version - (confirmed.version if confirmed else 0) >= every


def _included(state: ServerState, held: int) -> tuple[Included, ...]:
    """The updates in the versions after ``held``, by which a node learns what became of its own."""
    if not state.settings.cached:
        return ()
    facts = state.run.versions
    return tuple(chain.from_iterable(facts[v].included(v) for v in range(held + 1, state.version + 1)))


def compose(state: ServerState, view: NodeView, kind: str) -> tuple[Message, Flight]:
    """A task of ``kind`` for a node, at the newest version, and the flight that it becomes when it is sent."""
    held = before = min(view.held, state.version)
    if (snapshot := _from_snapshot(state, held)) is not None:
        held = snapshot[0].version
    state.next_task += 1
    task = Task(
        lineage=state.journal.lineage,
        task=state.next_task,
        version=state.version,
        epoch=state.schedule.epoch(state.version),
        from_version=held,
        versions=state.schedule.versions,
        plan=astuple(state.plan),
        head=state.journal.head(),
        accepted=state.accepted_of(view),
        want_snapshot=_wants_snapshot(state, view, kind),
        state_hash=state.hashes.agreed(state.version),
        steps=state.last_steps if kind == state.last_task else 0,
        last=kind != TRAIN and bool(state.stop_reason),
        key=state.key,
        refused=view.refused,
        committee=state.committee.invitation(state.version) if state.committee is not None and kind == TRAIN else b"",
        included=_included(state, before),
        records=tuple(state.catch_up.records(held, state.version)),
        snapshot=snapshot,
    )
    size = (
        len(task.committee)
        + sum(p.size for _, p in task.records)
        + (sum(p.size for p in snapshot[1]) if snapshot else 0)
    )
    now, ttl = state.clock.now(), state.forecast.deadline(view.node, kind, size)
    message = Message(
        content=write_task(task), dst_node_id=view.node, message_type=kind, ttl=ttl, group_id=str(state.version)
    )
    answers = state.round if kind != TRAIN else None
    return message, Flight(view.node, task.task, kind, state.version, task.epoch, now, now + ttl, size, answers)


def send(state: ServerState, grid: Grid, messages: Iterable[Message]) -> None:
    """Push tasks that the roster has as drafts, one at a time, and take them into the roster and the journal."""
    for message in messages:
        message_id = next(iter(grid.push_messages([message])), "")
        metadata = message.metadata
        _, flight = state.roster.drafts.pop((metadata.dst_node_id, KINDS[metadata.message_type].beside))
        if message_id:
            launched(state, message_id, flight)
        else:
            fail(state, flight, FAILED, reasons.NOT_SENT().text)
