"""The ServerApp: from a run config to the run of its scenario.

Not for: what happens in a run (``server_app.horizontal``, ``server_app.vertical``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from crossward.config.run_config import RunConfig
from crossward.config.scenarios import HORIZONTAL, TRANSFER, VERTICAL
from server_app import horizontal, vertical

RUNS: dict[str, Callable[[Grid, dict[str, Any], RunConfig], None]] = {
    HORIZONTAL: horizontal.run,
    VERTICAL: vertical.run,
    TRANSFER: vertical.run,
}
app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run one lineage to its end, or from where it stopped to its end."""
    given = dict(context.run_config)
    config = RunConfig.read(given)
    RUNS[config.run.scenario](grid, given, config)
