"""Versions that nobody can open: discarded, and recorded in the ledger, instead of stopping the run.

A hospital that holds the key can send a ciphertext so noisy, or fields so large, that the version made with it does not
open; the server cannot see that, but nodes report it. From then on the reported versions are sent one by one, and one
that two nodes could not open, and none has opened, is discarded: nodes skip it, its contributors keep their residuals,
and the ledger names them. Nodes refuse a key after a few such records (``client_app.guard.strikes``). So, where there
are enough others, contributors of a discarded version are not combined again, and when a second version is discarded,
those who contributed to both get no more tasks.

Not for: versions that open but make the loss jump (``strategies.aggregation.versions.roll_back``).
"""

from __future__ import annotations

from logging import WARNING

from flwr.common import log

from crossward.ledger.events import Accepted, Discarded, Excluded, Version
from crossward.ledger.lines import read_line
from strategies.history.roster import NodeView
from strategies.history.state import ServerState
from strategies.opening.recheck import compared, forget

WITNESSES = 2


def report_unopened(state: ServerState, view: NodeView, first: int, last: int, reason: str, sent: float = 0.0) -> None:
    """Record that a node, which was ``sent`` its task then, could not open versions ``first`` to ``last``."""
    if not 1 <= first <= last <= state.version or state.hashes.newest >= first:
        return  # no such versions, or others have opened them: the fault is this node's
    state.catch_up.part(range(first, last + 1))
    if first < last or state.catch_up.versions[first].discarded:
        return
    if state.committee is not None and compared(state, first, sent):
        return  # a member may have answered wrongly
    witnesses = state.unopened.setdefault(first, set())
    witnesses.add(view.hospital)
    if len(witnesses) >= min(WITNESSES, len(state.roster.present)):
        _discard(state, first, reason)


def separate_suspects(state: ServerState, group: list[Accepted]) -> list[Accepted]:
    """``group`` with one at most of those who contributed to a discarded version, if others can fill a buffer."""
    run = state.run
    suspects = frozenset[str]().union(*run.discarded_groups) - run.excluded
    if not suspects:
        return group
    waiting = {update.hospital for update in group}  # a resumed run knows of other nodes not yet whose they are
    others = waiting | {view.hospital for view in state.roster.nodes.values() if _may_come(state, view)}
    if len(others - suspects - run.excluded) + 1 < state.settings.buffer_size:
        return group
    first = next((update.task for update in group if update.hospital in suspects), -1)
    return [update for update in group if update.hospital not in suspects or update.task == first]


def _may_come(state: ServerState, view: NodeView) -> bool:
    """Whether an update of a node is still to come."""
    invited = state.committee is None or state.committee.invites(view.node)
    here = view.node in state.roster.present and not state.waiting(view.node)
    return here and invited and state.may_contribute(view)


def _exclude(state: ServerState) -> None:
    """After a second discarded version, exclude those who contributed to all of them, if enough others are left."""
    run = state.run
    if len(run.discarded_groups) < 2:
        return
    suspects = frozenset.intersection(*run.discarded_groups) - run.excluded
    present = {state.roster.nodes[node].hospital for node in state.roster.present} - run.excluded
    if not suspects or len(present - suspects) < state.settings.min_contributors:
        return
    for hospital in sorted(suspects):
        log(WARNING, "%s contributed to every version that did not open: it gets no more tasks", hospital)
        state.record(Excluded(hospital=hospital, versions=len(run.discarded_groups)))


def _discard(state: ServerState, version: int, reason: str) -> None:
    found = (e for e in map(read_line, state.journal.events()) if isinstance(e, Version) and e.version == version)
    made = next(found)
    log(WARNING, "Version %s opens at no node and is discarded: %s", version, reason)
    state.record(Discarded(version=version, tasks=made.tasks, hospitals=made.hospitals, reason=reason))
    state.catch_up.forget()
    state.unopened.pop(version, None)
    forget(state)
    _exclude(state)
    for view in state.roster.nodes.values():
        view.failures, view.not_before = 0, 0.0
