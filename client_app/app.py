"""The ClientApp: who this node is, which notes are its own, and the handlers.

Not for: what a handler does (``client_app.node``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flwr.app import Context, Message

from client_app.guard.budget import Budget, TotalBudget
from client_app.guard.demands import check_demands
from client_app.guard.selection import FEWEST_HELD_OUT, Selection
from client_app.guard.spending import RECORDS, check_records_kept
from client_app.handlers import make_app
from client_app.identity import load_identity
from client_app.logs import show_log
from client_app.node import Node
from client_app.training.engine import open_learner
from client_app.training.spec import LearnerSpec
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.keys import hospital_key, simulated_key
from client_app.update.payloads import Vault
from crossward.config.encryption_settings import SENSITIVE
from crossward.config.node_config import NodeConfig
from crossward.config.privacy_settings import LOCAL_UNITS, NO_UNIT
from crossward.config.run_config import ON_A_NODE, RunConfig
from crossward.config.run_settings import SimulationSettings
from crossward.config.settings import SettingsError, read_settings
from crossward.config.weightings import EXAMPLES, WEIGHTINGS
from crossward.machine.paths import own_folder
from crossward.protocol.messages import TRAIN, Task
from crossward.protocol.simulated import SimulatedSpeed, write_simulated_speed


def build(context: Context, task: Task) -> Node:
    """This node for a task: its learner (kept by the process or the worker group), state folder and identity."""
    node = dict(context.node_config)
    total_budget, selection, fewest_held_out = None, None, 0
    if "partition-id" in node:
        if own_keys := sorted(node.keys() - {"partition-id", "num-partitions"}):  # its demands would not be read
            raise SettingsError(
                f"node config: partition-id is given by simulations and {own_keys[0]} by a hospital: remove one of them"
            )
        config = RunConfig.read(context.run_config)
        partition, partitions = int(node["partition-id"]), int(node["num-partitions"])
        own, state = f"site-{partition}", Path(config.run.state) if config.run.state else own_folder("state")
        folder, identity = state / task.lineage / own, state / "identities" / f"{own}.pem"
        key = simulated_key(config.encryption)
        # a simulated slow hospital gets less done in its time
        seconds = config.train.local_seconds / config.simulation.slowdown(partition)
        config = replace(config, train=replace(config.train, local_seconds=seconds))
        spec = LearnerSpec(config, partition, partitions)
    else:
        show_log()
        given = NodeConfig.read(node)
        if not given.state_dir:
            raise SettingsError(
                "node config: state-dir is missing. Start the SuperNode with "
                '--node-config \'state-dir="/var/lib/crossward" data-path="..."\''
            )
        config = RunConfig.read(given.over(context.run_config), ON_A_NODE)
        check_demands(config, given)
        if given.privacy_unit != NO_UNIT:
            check_records_kept(Path(given.state_dir) / RECORDS)
            its_own = ("data.patient-column",) if given.patient_column else ()
            selection = Selection(Path(given.state_dir) / "selection.json", config.data, its_own)
            fewest_held_out = FEWEST_HELD_OUT
        if given.privacy_total_epsilon:
            total_budget = TotalBudget(given.privacy_unit, given.privacy_total_epsilon, given.privacy_delta)
        key = hospital_key(config.encryption, given)
        state = Path(given.state_dir)
        folder, identity = state / task.lineage, state / "identity.pem"
        spec = LearnerSpec(config, site=given.site)
    run, encryption, privacy = config.run, config.encryption, config.privacy
    vault = Vault(encryption, key)  # refuses a missing key before the model is loaded
    if selection is not None:
        selection.check()
    learner = open_learner(spec, state / "workers")
    if encryption.policy == SENSITIVE:
        vault = replace(vault, blocks=learner.sensitive_blocks(encryption.fraction))
    budget = None
    if privacy.unit in LOCAL_UNITS:  # beside the lineage's folder: deleting that must not make spending forgotten
        spent = identity.with_suffix(".spent") / f"{task.lineage}.json"
        # units: the notes are read
        budget = Budget(spent, privacy, config.schedule, learner.units, total_budget=total_budget)
    if selection is not None:
        selection.keep()
    return Node(
        learner,
        folder,
        load_identity(identity),
        config.schedule,
        run.seed,
        vault=vault,
        strikes_path=identity.with_suffix(".unopened"),
        privacy_unit=privacy.unit,
        budget=budget,
        noise=HospitalNoise(config.mechanism) if config.mechanism is not None else None,
        feedback=config.train.error_feedback,
        counts=EXAMPLES in WEIGHTINGS[config.strategy.weighting].needs,
        loss_grid=config.train.loss_grid,
        fewest_held_out=fewest_held_out,
    )


def add_simulated_speed(reply: Message, context: Context, seconds: float) -> None:
    """In a simulation, add this hospital's simulated link and speed; only training is slowed down."""
    if reply.metadata.message_type != TRAIN:
        return
    simulation = read_settings(SimulationSettings, context.run_config)
    partition = context.node_config.get("partition-id")
    if isinstance(partition, int) and (mbit := simulation.link(partition)):
        write_simulated_speed(reply.content, SimulatedSpeed(mbit, simulation.slowdown(partition), seconds))


app = make_app(build, add_simulated_speed)
