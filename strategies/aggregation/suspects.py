"""Hospitals that may have spoiled a version: of their updates one was made that nobody could open.

Where there are enough others, contributors of such a version are not combined again, and after a second one, those who
contributed to both get no more tasks.

Not for: finding out that a version does not open (``strategies.aggregation.discarded``, ``strategies.opening.making``).
"""

from __future__ import annotations

from logging import WARNING

from flwr.common import log

from crossward.ledger.events import Accepted, Excluded
from strategies.history.roster import NodeView
from strategies.history.state import ServerState


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


def exclude(state: ServerState) -> None:
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
