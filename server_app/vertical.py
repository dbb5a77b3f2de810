"""A run whose parties have other features of the same patients: run config -> relay -> run folder.

Not for: what happens in a run (``strategies.vertical``) or how it is kept (``server_app.run_folder``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from flwr.serverapp import Grid

from crossward.config.run_config import RunConfig
from crossward.internals.flower_grid import whole_replies
from crossward.protocol.vertical.program import program
from crossward.report.vertical.page import write_vertical_report
from server_app.report import report
from server_app.run_folder import RunFolder
from server_app.vertical_progress import VerticalProgress
from strategies.exchange.clock import Clock, SystemClock
from strategies.exchange.membership import wait_for_nodes
from strategies.vertical.relay import Relay


def open_folder(given: dict[str, Any], config: RunConfig) -> RunFolder:
    """A new run folder, or the one to resume."""
    if config.run.resume:
        return RunFolder.resume(Path(config.run.resume), given)
    return RunFolder.create(Path(config.run.folder) if config.run.folder else None, given, None)


def run(grid: Grid, given: dict[str, Any], config: RunConfig, clock: Clock | None = None) -> None:
    """Run one lineage to its end, or from where it stopped to its end; ``given`` is what ``config`` was read from."""
    clock = clock or SystemClock()
    parties = config.vertical.parties
    wait_for_nodes(grid, replace(config.strategy, min_nodes=parties), clock)
    folder = open_folder(given, config)
    progress = VerticalProgress(folder.path, program(config.vertical, parties))
    try:
        relay = Relay(parties, config.vertical, config.strategy, folder, clock, [progress.on_event])
        state = relay.start(whole_replies(grid))
        progress.close(state)
        report(folder.path, write_vertical_report, progress.say)
        folder.finish({"version": len(relay.steps), "reason": state.finished})
        progress.say(f"Run folder: {folder.path}")
    finally:
        folder.close()
