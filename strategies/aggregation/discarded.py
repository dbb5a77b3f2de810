"""Versions that nobody can open: discarded, and recorded in the ledger, instead of stopping the run.

A hospital that holds the key can send a ciphertext so noisy, or fields so large, that the version made with it does not
open; the server cannot see that, but nodes report it. From then on the reported versions are sent one by one, and one
that two nodes could not open, and none has opened, is discarded: nodes skip it, its contributors keep their residuals,
and the ledger names them. Nodes refuse a key after a few such records (``client_app.guard.strikes``), and contributors
are suspected (``strategies.aggregation.suspects``).

Not for: versions that open but make the loss jump (``strategies.aggregation.versions.roll_back``).
"""

from __future__ import annotations

from logging import WARNING

from flwr.common import log

from crossward.ledger.events import Discarded, Version
from crossward.ledger.lines import read_line
from strategies.aggregation.suspects import exclude
from strategies.history.roster import NodeView
from strategies.history.state import ServerState
from strategies.opening import recheck


def report_unopened(state: ServerState, view: NodeView, first: int, last: int, reason: str, task: int = 0) -> None:
    """Record that a node could not open versions ``first`` to ``last``, which came with a ``task``."""
    committee = state.committee is not None
    opened = state.hashes.verified(state.witnesses) if committee else state.hashes.newest
    if not 1 <= first <= last <= state.version or opened >= first:
        return  # no such versions, or others have opened them: the fault is this node's
    state.catch_up.part(range(first, last + 1))
    if first < last or state.catch_up.versions[first].discarded:
        return
    if committee and not recheck.doubted(state, first, task):
        return  # the record has been made anew since
    witnesses = state.unopened.setdefault(first, set())
    witnesses.add(view.hospital)
    if len(witnesses) >= state.witnesses and not (committee and recheck.another(state, first)):
        _discard(state, first, reason)


def _discard(state: ServerState, version: int, reason: str) -> None:
    found = (e for e in map(read_line, state.journal.events()) if isinstance(e, Version) and e.version == version)
    made = next(found)
    log(WARNING, "Version %s opens at no node and is discarded: %s", version, reason)
    state.record(Discarded(version=version, tasks=made.tasks, hospitals=made.hospitals, reason=reason))
    state.catch_up.forget()
    state.unopened.pop(version, None)
    recheck.forget(state, version)
    exclude(state)
    for view in state.roster.nodes.values():
        view.failures, view.not_before = 0, 0.0
