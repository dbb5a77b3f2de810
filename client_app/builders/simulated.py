"""A simulated hospital's node: Flower gives it a partition, the run config everything else.

Not for: how slow its link is (``client_app.app``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flwr.app import Context

from client_app.builders.parts import NodeFiles, committee_keys, make_node, make_seat, open_limits
from client_app.committee.keys import CommitteeKeys
from client_app.committee.rosters import simulated_roster
from client_app.committee.seat import Seat
from client_app.node import Node
from client_app.training.engine import open_learner
from client_app.training.spec import LearnerSpec
from client_app.update.held_out_loss import HeldOutReports, seeded_normal
from client_app.update.keys import simulated_key
from client_app.update.payloads import Vault
from crossward.config.privacy_checks import check_private
from crossward.config.ranks import rank_in_simulation, trained_rank
from crossward.config.run_config import RUN_CONFIG, RunConfig
from crossward.config.settings import SettingsError
from crossward.machine.paths import own_folder
from crossward.protocol.messages import Task
from data.own_notes import of_hospital


def build_simulated(context: Context, task: Task) -> Node:
    """Partition ``partition-id`` of ``num-partitions``; all of a machine share one simulation's key."""
    partition, partitions, config, files = _read(context, task)
    vault, keys = _keys(partitions, config, files)  # refuses a missing key before the model loads
    # a hospital that pretends to be slow gets less done in its time
    seconds = config.train.local_seconds / config.simulation.slowdown(partition)
    config = replace(config, train=replace(config.train, local_seconds=seconds))
    rank = trained_rank(config.lora, rank_in_simulation(config.lora, partition, partitions))
    learner = open_learner(LearnerSpec(config, partition, partitions, rank=rank), files.workers)
    held_out = HeldOutReports(files.held_out(task.lineage), seeded_normal(config.run.seed, partition))
    limits = open_limits(config, files, task.lineage, learner)
    return make_node(config, files, vault, learner, limits, keys, held_out=held_out, rank=rank)


def simulated_seat(context: Context, task: Task) -> Seat:
    """The seat of that partition on the committee."""
    _, partitions, config, files = _read(context, task)
    vault, keys = _keys(partitions, config, files)
    return make_seat(config, keys, vault)


def _read(context: Context, task: Task) -> tuple[int, int, RunConfig, NodeFiles]:
    """Which partition of how many, the run, and where the partition's files are."""
    node = dict(context.node_config)
    if own_keys := sorted(node.keys() - {"partition-id", "num-partitions"}):  # its demands would not be read
        raise SettingsError(
            f"node config: partition-id is given by simulations and {own_keys[0]} by a hospital: remove one of them"
        )
    config = RunConfig.read(context.run_config)
    partition, partitions = int(node["partition-id"]), int(node["num-partitions"])
    check_private(replace(config, data=of_hospital(config.data, partition, partitions)), RUN_CONFIG)
    name, state = f"site-{partition}", Path(config.run.state) if config.run.state else own_folder("state")
    files = NodeFiles(state / task.lineage / name, state / "identities" / f"{name}.pem", state / "workers")
    return partition, partitions, config, files


def _keys(partitions: int, config: RunConfig, files: NodeFiles) -> tuple[Vault, CommitteeKeys | None]:
    vault, state = Vault(config.encryption, simulated_key(config.encryption)), files.identity.parents[1]
    return vault, committee_keys(config, files, lambda identity: simulated_roster(state, partitions, identity))
