"""Bring a node's copy of the global adapter to a task's version, with the snapshot and the records that came with it.

Not for: what a record's integers mean (``client_app.state.accumulators``), or the state on disk
(``client_app.state.folder``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from client_app.guard.strikes import Strikes
from client_app.state.accumulators import Accumulators, from_snapshot
from client_app.state.folder import NodeState
from client_app.update.payloads import Payloads, UnopenedError
from crossward.protocol.messages import RecordHead, Task
from crossward.protocol.parts import LARGE, ProtocolError


class BehindError(RuntimeError):
    """The task's records do not begin where this node is."""

    tellable = True  # see client_app.guard.refusals


class NotOpenedError(RuntimeError):
    """A record does not open here."""

    tellable = True  # see client_app.guard.refusals

    def __init__(self, record: RecordHead, reason: str) -> None:
        super().__init__(f"the record of versions {record.first} to {record.last} does not open: {reason}")
        self.first, self.last = record.first, record.last


def catch_up(
    state: NodeState,
    task: Task,
    payloads: Payloads,
    strikes: Strikes,
    epoch_of: Callable[[int], int] | None = None,
    gain: int = 0,
) -> None:
    """Bring ``state.copy`` to the task's version; ``strikes`` counts the records that do not open.

    ``epoch_of`` gives the scale epoch of what is trained from a version, which a verified record must be in. With
    cached updates ``gain`` is how many a full buffer holds, and the node's own cache follows; else it is 0.

    Raises
    ------
    BehindError
        the snapshot or the records do not lead from where the copy is to the task's version.
    NotOpenedError
        a record does not open.
    ProtocolError
        records are of a run with other settings of cached updates.
    """
    _position(state, task, payloads)
    for record, _ in task.records:
        if record.weight_sum and record.block.gain != gain:
            raise ProtocolError(
                f"the record of version {record.last} is of cached updates in buffers of {record.block.gain}, this "
                f"node expects {gain} (0: none): server and node differ in strategy.variance-reduction or buffer-size"
            )
    if epoch_of is not None:
        for record, _ in task.records:
            _check_epoch(record, epoch_of)
    _add_records(state, task, payloads, strikes)
    if gain:
        state.own.advance(task.included, task.version, gain)


def _check_epoch(record: RecordHead, epoch_of: Callable[[int], int]) -> None:
    """Refuse a record in a unit that its versions are not of: the sum's tag says nothing of its scale."""
    versions = [record.reverts] if record.reverts else range(record.first, record.last + 1)
    if record.proof and any(epoch_of(version - 1) != record.epoch for version in versions):
        raise NotOpenedError(record, f"it is said to be of scale epoch {record.epoch}, the schedule has another")


def _position(state: NodeState, task: Task, payloads: Payloads) -> None:
    """Put the copy where the task's records begin: at its snapshot, at version 0, or where it is."""
    if task.snapshot is not None:
        head, parts = task.snapshot
        if head.version != task.from_version:
            raise BehindError(f"a snapshot of version {head.version} came for version {task.from_version}")
        try:
            state.copy = from_snapshot(head, parts, payloads, task.versions, task.lineage, state.layout)
        except ProtocolError as error:
            raise BehindError(str(error)) from error
    elif task.from_version == 0 and task.version >= 0 and state.copy.version != 0:
        state.copy = Accumulators()
    if state.copy.version != task.from_version:
        raise BehindError(f"the records begin after version {task.from_version}, this node is at {state.copy.version}")


def _add_records(state: NodeState, task: Task, payloads: Payloads, strikes: Strikes) -> None:
    """Open the task's records and add them to the copy, which is then at the task's version."""
    with payloads:
        for record, payload in task.records:
            if record.weight_sum == 0 and not payload.heads:
                state.copy.skip(record)
                continue
            what = f"versions {record.first} to {record.last}"
            try:
                counted = record.key and payloads.failure_reveals
                with strikes.counting(record.key, what) if counted else contextlib.nullcontext():
                    opened = payloads.open(payload, record)
                    state.copy.add(record, opened, payloads.total, payloads.plan, task.versions)
            except UnopenedError as error:
                raise NotOpenedError(record, str(error)) from error
            if payload.size > LARGE:
                payload.release()  # training needs the room
    if state.copy.version != task.version:
        raise BehindError(f"the records end at version {state.copy.version}, the task is for {task.version}")
