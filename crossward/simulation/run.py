"""A whole run from a run config, in one process on a virtual clock: real notes, models, keys and run folder.

    config = RunConfig.read({"data.source": "mimic-iii", "data.path": "/data/mimic-iii"})
    simulate_run(config, Path("runs/mine"), [Speed(mbit=1000), Speed(mbit=300), Speed(mbit=100)])

Hospitals train one after another, so a run takes as long as all of their trainings together; who answers first is
decided by ``speeds``, not by this machine, so that the same config gives the same run.

Not for: learners of your own (``crossward.simulation.strategy``); processes side by side (``crossward.launcher``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flwr.app import Context, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid

from client_app.app import app as hospital_app
from crossward.config.run_config import RunConfig
from crossward.encryption.aggregator import Kinds
from crossward.encryption.dither import KNOWN, Dither
from crossward.encryption.plan import FieldPlan
from crossward.encryption.settings import field_plan
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from server_app.run_folder import RunFolder, read_config
from server_app.strategy import make_strategy
from strategies.async_hybrid import AsyncHybrid
from strategies.callbacks import Callback, load_callbacks
from strategies.exchange.bandwidth import Bandwidths


def run_plan(config: RunConfig, hospitals: int) -> FieldPlan:
    """The plan of a run of ``config`` with so many hospitals."""
    buffer = config.strategy.buffer_size or hospitals
    return field_plan(
        config.encryption, hospitals, buffer, config.mechanism is not None, config.strategy.fine_weight(hospitals)
    )


def simulate_run(
    config: RunConfig,
    path: Path,
    speeds: Sequence[Speed],
    *,
    resume: bool = False,
    app: ClientApp = hospital_app,
    grid: Callable[[dict[int, VirtualNode], VirtualClock], Grid] = VirtualGrid,
    folder: type[RunFolder] = RunFolder,
    callbacks: Sequence[Callback] = (),
    mbit: Sequence[float] = (),
    kinds: Kinds | None = None,
    dither: Dither = KNOWN,
    first_id: int = 1,
) -> AsyncHybrid:
    """Run ``config`` to its end in the run folder ``path``; the strategy as it ended.

    Parameters
    ----------
    config : RunConfig
        The run's settings. Those under ``simulation.`` have no part in it.
    path : Path
        Where the run folder is made; with ``resume`` where it is.
    speeds : sequence of Speed
        Link and compute of each hospital; there are as many hospitals.
    app : ClientApp (default: the product's)
        What every hospital runs.
    grid : function (default: VirtualGrid)
        Makes the grid of nodes by id and the clock.
    folder : type (default: RunFolder)
        The run folder's class.
    callbacks : sequence of Callback (default: none)
        They see the run's events, and can stop it, after those of ``run.callbacks``.
    mbit : sequence of float (default: those of ``speeds``)
        Bandwidths that the paper's weights take, by hospital.
    kinds : Kinds (default: what the config's encryption asks for)
        The server's arithmetic.
    dither : Dither (default: the same in every run, which hides nothing)
        What versions carry.
    first_id : int (default: 1)
        The first hospital's node id. A resumed run's nodes are new ones.
    """
    given: dict[str, Any] = dict(config.by_key())
    callbacks = [*load_callbacks(config.run.callbacks), *callbacks]
    count, clock, bandwidths, nodes = len(speeds), VirtualClock(), Bandwidths(), dict[int, VirtualNode]()
    for number, speed in enumerate(speeds):
        own: dict[str, Any] = {"partition-id": number, "num-partitions": count}
        context = Context(1, first_id + number, own, RecordDict(), given)
        nodes[first_id + number] = VirtualNode(app, context, speed)
        bandwidths.configure(first_id + number, mbit[number] if mbit else speed.mbit)
    if resume:
        journal, plan = folder.resume(path, given, durable=False), read_config(path)["plan"]
    else:
        plan = run_plan(config, count)
        journal = folder.create(path, given, plan, durable=False)
    try:
        strategy = make_strategy(config, plan, journal, clock, bandwidths, kinds, dither, callbacks)
        strategy.start(grid(nodes, clock), num_rounds=config.schedule.versions)
        journal.finish({"version": strategy.state.version, "reason": strategy.state.stop_reason})
    finally:
        journal.close()
    return strategy
