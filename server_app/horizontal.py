"""A run whose hospitals have notes of different patients: run config -> strategy -> run folder.

Not for: what happens in a run (``strategies``) or how it is kept (``server_app.run_folder``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flwr.serverapp import Grid

from crossward.config.run_config import RunConfig
from crossward.encryption.settings import field_plan
from crossward.internals.flower_grid import whole_replies
from crossward.ledger.events import Version
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.report import cost
from crossward.report.joining.table import reported_table
from crossward.report.page import write_report
from crossward.report.reported_loss import rounding
from server_app.dither_key import run_dither
from server_app.progress import Progress
from server_app.report import report
from server_app.run_folder import RunFolder, read_config
from server_app.simulated_links import SimulatedLinks
from server_app.strategy import make_strategy
from strategies.callbacks import load_callbacks
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.clock import SystemClock
from strategies.exchange.membership import wait_for_nodes


def run(grid: Grid, given: dict[str, Any], config: RunConfig) -> None:
    """Run one lineage to its end, or from where it stopped to its end; ``given`` is what ``config`` was read from."""
    asked, settings, schedule, mechanism = config.run, config.strategy, config.schedule, config.mechanism
    callbacks = load_callbacks(asked.callbacks)
    clock, bandwidths = SystemClock(), Bandwidths()
    nodes = wait_for_nodes(grid, settings, clock)
    if asked.resume:
        folder = RunFolder.resume(Path(asked.resume), given)
        plan = read_config(folder.path)["plan"]
    else:
        plan = field_plan(
            config.encryption, nodes, settings.buffer_size or nodes, mechanism is not None, settings.fine_weight(nodes)
        )
        if mechanism is not None:
            mechanism.shares(plan.q_max)  # refuses too few bits before there is a run folder
        folder = RunFolder.create(Path(asked.folder) if asked.folder else None, given, plan)
    progress = Progress(folder.path, schedule.versions, rounding=rounding(config.train.loss_grid), counts=asked.profile)
    callbacks.append(progress)
    try:
        dither = run_dither(folder.lineage, bool(asked.resume))
        strategy = make_strategy(config, plan, folder, clock, bandwidths, dither=dither, callbacks=callbacks)
        strategy.start(SimulatedLinks(whole_replies(grid), clock, bandwidths), num_rounds=schedule.versions)
        if not asked.profile:
            progress.say(reported_table(strategy.state.run.measures))
        made = [event for event in read_events(folder.path / FILE_NAME) if isinstance(event, Version)]
        if strategy.state.key:
            progress.say(
                f"Sealed under key {strategy.state.key}, which this server does not hold. Sealing, adding and opening: "
                f"{cost.typical_share(made):.1%} of a version's time (median)"
            )
        met, took = strategy.state.run.committee, cost.typical(map(cost.latency, made))
        if met is not None and took is not None:
            progress.say(
                f"Opened by a committee of {len(met.members)} hospitals, {met.openers} at a time, which took {took} "
                f"(median). Roster {met.roster[:16]}, revision {met.revision}: hospitals compare it with "
                "`crossward members show`"
            )
        report(folder.path, write_report, progress.say)
        folder.finish({"version": strategy.state.version, "reason": strategy.state.stop_reason})
        progress.say(f"Run folder: {folder.path}")
    finally:
        folder.close()
