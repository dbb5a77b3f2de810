"""Whether what a run left beside its ledger is still what the ledger says, asked when the run is resumed.

A disk loses or changes bytes, and a machine that goes down loses the newest files. An update that is not the one that
was accepted must enter no version, and one that cannot be read must not stop the run: it is dropped, with an outcome
in the ledger, and its hospital is informed and asked again. A snapshot only shortens a download: it is dropped.

Not for: versions, without which there is no run (``server_app.run_folder`` refuses to resume).
"""

from __future__ import annotations

from logging import WARNING

from flwr.common import log

from crossward.ledger import reasons
from crossward.ledger.events import SnapshotDropped
from crossward.protocol.messages import FAILED
from strategies.aggregation.versions import discard
from strategies.history.state import ServerState


def drop_damaged(state: ServerState) -> None:
    """Give up updates that wait, and the confirmed snapshot, where their files are not what the ledger says."""
    for update in state.buffer:
        if wrong := state.journal.damage(update.payload, update.digest):
            log(
                WARNING,
                "%s.payload: %s; expected the update of task %s with digest %s. It is left out, and %s is asked again",
                update.payload,
                wrong,
                update.task,
                update.digest,
                update.site or update.hospital,
            )
            lost = reasons.LOST(name=update.payload, wrong=wrong, digest=update.digest)
            discard(state, update, FAILED, lost)
    confirmed = state.snapshots.confirmed
    if confirmed is not None and (wrong := state.snapshots.damage()):
        log(WARNING, "%s. The snapshot is dropped; nodes catch up without it until another is confirmed", wrong)
        state.record(SnapshotDropped(reason=wrong))
        state.snapshots.drop(confirmed)
