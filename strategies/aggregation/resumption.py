"""What an interrupted run left: tasks without an answer, damaged updates, a roll-back that had begun.

Not for: reading the ledger's history (``strategies.history.state``).
"""

from __future__ import annotations

from collections.abc import Iterable

from crossward.ledger import reasons
from crossward.ledger.events import Dispatched, Failed
from strategies.aggregation.versions import drop_others, roll_back
from strategies.history.integrity import drop_damaged
from strategies.history.state import ServerState
from strategies.opening.making import drop


def take_up(state: ServerState, interrupted: Iterable[Dispatched]) -> None:
    """Bring a resumed run to where it can go on; ``interrupted`` tasks were under way when it was interrupted."""
    for task in interrupted:
        facts = {name: getattr(task, name) for name in ("task", "node", "hospital", "kind", "version")}
        state.record(Failed(reason=reasons.INTERRUPTED().text, **facts))
    drop_damaged(state)
    if state.run.layout:
        drop_others(state, state.run.layout, state.run.shape, state.key)  # the run may be resumed under another key
    if state.run.reverting:
        drop(state, reasons.ROLLED_BACK(version=state.version + 1))
    roll_back(state, state.run.reverting)
