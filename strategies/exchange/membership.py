"""Which nodes are connected: waiting for enough of them, and recording who joins and leaves.

Not for: what is known of a node (``strategies.history.roster``).
"""

from __future__ import annotations

from logging import INFO

from flwr.common import log
from flwr.serverapp import Grid

from crossward.config.strategy_settings import StrategySettings
from crossward.ledger.events import Joined, Left
from crossward.machine.waiting import Reminder
from strategies.exchange.clock import Clock
from strategies.history.state import RunError, ServerState


def wait_for_nodes(grid: Grid, settings: StrategySettings, clock: Clock) -> int:
    """Wait until ``strategy.min-nodes`` nodes are connected; how many are.

    Raises
    ------
    RunError
        they did not connect within ``settings.stall_seconds``.
    """
    reminder = Reminder(clock.now())
    while (count := len(list(grid.get_node_ids()))) < settings.min_nodes:
        now = clock.now()
        if reminder.due(now):
            log(
                INFO,
                "Waiting for nodes for %.0f s: %s of strategy.min-nodes = %s are connected; the run stops after %g s",
                reminder.waited(now),
                count,
                settings.min_nodes,
                settings.stall_seconds,
            )
        if reminder.waited(now) > settings.stall_seconds:
            raise RunError(
                f"{count} nodes connected within {settings.stall_seconds:g} s, "
                f"strategy.min-nodes asks for {settings.min_nodes}: start more SuperNodes or lower the key"
            )
        clock.pause(settings.poll_seconds, float("inf"))
    return count


def meet(state: ServerState, grid: Grid) -> None:
    """Record which nodes joined and left; who joins a run that is ending owes its last task."""
    joined, left = state.roster.changes(grid.get_node_ids())
    for node in joined:
        state.record(Joined(node=str(node)))
        if state.stop_reason:
            state.roster.nodes[node].todo = state.last_task
    for node in left:
        state.record(Left(node=str(node), hospital=state.roster.nodes[node].hospital))
        state.roster.nodes[node].todo = ""
        if state.committee is not None:
            state.committee.forget(node)
