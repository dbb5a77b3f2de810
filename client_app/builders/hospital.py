"""A real hospital's node: what its node config says of its notes, key and demands goes before the run config.

Not for: the demands themselves (``client_app.guard.demands``).
"""

from __future__ import annotations

from pathlib import Path

from flwr.app import Context

from client_app.builders.parts import NodeFiles, committee_keys, make_node, make_seat, open_limits
from client_app.committee.keys import CommitteeKeys
from client_app.committee.rosters import hospital_roster
from client_app.committee.seat import Seat
from client_app.guard.answered import PROFILES, Answered
from client_app.guard.budget import TotalBudget
from client_app.guard.demands import check_demands
from client_app.guard.selection import FEWEST_HELD_OUT, Selection
from client_app.guard.spending import RECORDS, check_records_kept
from client_app.logs import show_log
from client_app.node import Node
from client_app.training.engine import open_learner
from client_app.training.spec import LearnerSpec
from client_app.update.held_out_loss import HeldOutReports
from client_app.update.keys import hospital_key
from client_app.update.payloads import Vault
from crossward.config.data_sources import OWN
from crossward.config.node_config import OF_NOTES, NodeConfig
from crossward.config.privacy_settings import NO_UNIT
from crossward.config.ranks import trained_rank
from crossward.config.run_config import ON_A_NODE, RunConfig
from crossward.config.settings import SettingsError
from crossward.privacy.noise import SECRET
from crossward.protocol.messages import Task


def build_hospital(context: Context, task: Task) -> Node:
    """The hospital that the node config describes, if what it demands of runs allows this one."""
    given, config, files = _read(context, task)
    selection = _selection(given, config, Path(given.state_dir))
    vault, keys = _keys(given, config, files)  # refuses a missing key before the model
    if selection is not None:
        selection.check()
    if config.run.profile:
        Answered(files.profiles, given.max_profiles, PROFILES).allow(task.lineage)
    rank = trained_rank(config.lora, given.rank) if not config.run.profile else 0
    learner = open_learner(LearnerSpec(config, site=given.site, rank=rank), files.workers)
    limits = open_limits(config, files, task.lineage, learner, _total_budget(given))
    if selection is not None:
        selection.keep()
    fewest_held_out = 0 if selection is None else FEWEST_HELD_OUT
    held_out = HeldOutReports(files.held_out(task.lineage), lambda version: float(SECRET.normals(1)[0]))
    return make_node(config, files, vault, learner, limits, keys, fewest_held_out, held_out, rank)


def hospital_seat(context: Context, task: Task) -> Seat:
    """That hospital's seat on the committee, under the same demands; no notes are read and no model is loaded."""
    given, config, files = _read(context, task)
    vault, keys = _keys(given, config, files)
    return make_seat(config, keys, vault)


def _read(context: Context, task: Task) -> tuple[NodeConfig, RunConfig, NodeFiles]:
    """The node config, the run as the hospital follows it and allows it, and where its files are."""
    show_log()
    given = NodeConfig.read(dict(context.node_config))
    if not given.state_dir:
        raise SettingsError(
            "node config: state-dir is missing. Start the SuperNode with "
            '--node-config \'state-dir="/var/lib/crossward" data-path="..."\''
        )
    config, state = RunConfig.read(given.over(context.run_config), ON_A_NODE), Path(given.state_dir)
    check_demands(config, given)
    return given, config, NodeFiles(state / task.lineage, state / "identity.pem", state / "workers")


def _keys(given: NodeConfig, config: RunConfig, files: NodeFiles) -> tuple[Vault, CommitteeKeys | None]:
    vault = Vault(config.encryption, hospital_key(config.encryption, given))
    return vault, committee_keys(config, files, lambda identity: hospital_roster(given), given.min_contributors)


def _selection(given: NodeConfig, config: RunConfig, state: Path) -> Selection | None:
    """The notes that a hospital keeps to which demands privacy, and whose earlier spending is still on record."""
    if given.privacy_unit == NO_UNIT:
        return None
    check_records_kept(state / RECORDS)
    its_own: tuple[str, ...] = ("data.patient-column",) if given.patient_column else ()
    its_own = OF_NOTES if config.data.source == OWN else its_own
    return Selection(state / "selection.json", config.data, its_own)


def _total_budget(given: NodeConfig) -> TotalBudget | None:
    """The hospital's own budget over all runs, if it sets one."""
    if not given.privacy_total_epsilon:
        return None
    return TotalBudget(given.privacy_unit, given.privacy_total_epsilon, given.privacy_delta)
