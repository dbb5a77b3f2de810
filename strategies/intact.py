"""Whether what a run left beside its ledger is still what the ledger says, asked when the run is resumed.

A disk loses or changes bytes, and a machine that goes down loses the newest files. An update that is not the one that
was accepted must enter no version, and one that cannot be read must not stop the run: it is given up, with an outcome
in the ledger, and its hospital is told and asked again. A snapshot only shortens a download: it is dropped.

Not for: versions, without which there is no run (``server_app.run_folder`` refuses to resume).
"""

from __future__ import annotations

from logging import WARNING

from flwr.common import log

from crossward.protocol.messages import FAILED
from strategies.state import ServerState
from strategies.versions import discard

LOST = "the server lost this update: "  # how the reason of such an outcome begins


def drop_damaged(state: ServerState) -> None:
    """Give up updates that wait, and the confirmed snapshot, where their files are not what the ledger says."""
    for update in list(state.buffer):
        if wrong := state.journal.damage(update.name, update.digest):
            log(
                WARNING,
                "%s.payload: %s; expected the update of task %s with digest %s. It is left out, and %s is asked again",
                update.name,
                wrong,
                update.task,
                update.digest,
                update.site or update.hospital,
            )
            reason = f"{LOST}{update.name}: {wrong}, the ledger has {update.digest}"
            discard(state, update, FAILED, reason)
    if wrong := state.snapshots.damage():
        log(WARNING, "%s. The snapshot is dropped; nodes catch up without it until another is confirmed", wrong)
        state.journal.record("snapshot-dropped", reason=wrong)
        state.snapshots.forget()
