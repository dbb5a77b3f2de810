"""The ClientApp: who this node is, which notes are its own, and the handlers.

Not for: what a handler does (``client_app.node``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flwr.app import Context, Message

from client_app.guard.budget import Budget, Lifetime
from client_app.guard.demands import check_demands
from client_app.guard.selection import FEWEST_HELD_OUT, Selection
from client_app.guard.spending import RECORDS, check_records_kept
from client_app.handlers import make_app
from client_app.identity import load_identity
from client_app.logs import show_log
from client_app.node import Node
from client_app.settings import TrainSettings, read_node_settings
from client_app.training.engine import open_learner
from client_app.training.spec import LearnerSpec, Value
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.keys import hospital_key, simulated_key
from client_app.update.payloads import Vault
from crossward.config.hospital_privacy import hospital_mechanism, run_schedule
from crossward.config.privacy_checks import check_private
from crossward.config.privacy_settings import LOCAL_UNITS, NO_UNIT, PrivacySettings
from crossward.config.run_settings import RunSettings, SimulationSettings
from crossward.config.settings import SettingsError, read_settings
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.settings import SENSITIVE, EncryptionSettings
from crossward.machine.paths import own_folder
from crossward.protocol.messages import TRAIN, Task
from crossward.protocol.simulated import Pretence, write_pretence


@dataclass(frozen=True)
class _Place:
    """What a hospital's node has and one of a simulation has otherwise.

    ``state`` is what all lineages share, ``folder`` this lineage's own. ``selection`` is kept, and at least
    ``fewest_held_out`` notes are held out, where patients or notes are protected.
    """

    state: Path
    folder: Path
    identity: Path
    key: ConsortiumKey | None
    spec: LearnerSpec
    selection: Selection | None = None
    fewest_held_out: int = 0
    lifetime: Lifetime | None = None


def _simulated(config: dict[str, Value], node: dict[str, Value], lineage: str) -> _Place:
    """One of the hospitals that a simulation makes on this machine."""
    if own_keys := sorted(node.keys() - {"partition-id", "num-partitions"}):  # its demands would not be read
        raise SettingsError(
            f"node config: partition-id is given by simulations and {own_keys[0]} by a hospital: remove one of them"
        )
    partition, partitions = int(node["partition-id"]), int(node["num-partitions"])
    given = read_settings(RunSettings, config).state
    own, state = f"site-{partition}", Path(given) if given else own_folder("state")
    key = simulated_key(read_settings(EncryptionSettings, config))
    if config.get("train.local-seconds"):  # a hospital that pretends to be slow gets less done in its time
        slowdown = read_settings(SimulationSettings, config).slowdown(partition)
        config = config | {"train.local-seconds": read_settings(TrainSettings, config).local_seconds / slowdown}
    spec = LearnerSpec.of(config, partition, partitions)
    return _Place(state, state / lineage / own, state / "identities" / f"{own}.pem", key, spec)


def _hospital(config: dict[str, Value], node: dict[str, Value], lineage: str) -> _Place:
    """The one hospital that this SuperNode's node config describes."""
    show_log()
    given = read_node_settings(node)
    if not given.state_dir:
        raise SettingsError(
            "node config: state-dir is missing. Start the SuperNode with "
            '--node-config \'state-dir="/var/lib/crossward" data-path="..."\''
        )
    check_demands(config, given)
    state, selection, lifetime = Path(given.state_dir), None, None
    if given.privacy_unit != NO_UNIT:
        check_records_kept(state / RECORDS)
        its_own = ("data.patient-column",) if given.patient_column else ()
        selection = Selection(state / "selection.json", given.over(config), its_own)
    if given.privacy_total_epsilon:
        lifetime = Lifetime(given.privacy_unit, given.privacy_total_epsilon, given.privacy_delta)
    return _Place(
        state,
        state / lineage,
        state / "identity.pem",
        hospital_key(read_settings(EncryptionSettings, config), given),
        LearnerSpec.of(given.over(config), site=given.site),
        selection,
        FEWEST_HELD_OUT if selection is not None else 0,
        lifetime,
    )


def build(context: Context, task: Task) -> Node:
    """This node for a task: its learner (kept by the process or the worker group), state folder and identity."""
    config, node = dict(context.run_config), dict(context.node_config)
    run, encryption = read_settings(RunSettings, config), read_settings(EncryptionSettings, config)
    privacy = read_settings(PrivacySettings, config)
    place = (_simulated if "partition-id" in node else _hospital)(config, node, task.lineage)
    check_private(dict(place.spec.config), "run config, or what node config has instead")
    vault = Vault(encryption, place.key)  # refuses a missing key before the model is loaded
    if place.selection is not None:
        place.selection.check()
    learner = open_learner(place.spec, place.state / "workers")
    if encryption.policy == SENSITIVE:
        vault = replace(vault, blocks=learner.sensitive_blocks(encryption.fraction))
    schedule, budget = run_schedule(config), None
    if privacy.unit in LOCAL_UNITS:  # beside the lineage's folder: deleting that must not make spending forgotten
        spent = place.identity.with_suffix(".spent") / f"{task.lineage}.json"
        budget = Budget(spent, privacy, schedule, learner.units, lifetime=place.lifetime)  # units: the notes are read
    if place.selection is not None:
        place.selection.keep()
    return Node(
        learner,
        place.folder,
        load_identity(place.identity),
        schedule,
        run.seed,
        vault=vault,
        strikes_path=place.identity.with_suffix(".unopened"),
        privacy_unit=privacy.unit,
        budget=budget,
        noise=HospitalNoise(mechanism) if (mechanism := hospital_mechanism(config)) is not None else None,
        feedback=read_settings(TrainSettings, config).error_feedback,
        counts=config.get("strategy.weighting") == "examples",  # the only weighting that is made of it
        loss_grid=read_settings(TrainSettings, dict(place.spec.config)).loss_grid,
        fewest_held_out=place.fewest_held_out,
    )


def pretend(reply: Message, context: Context, seconds: float) -> None:
    """In a simulation, say which link and speed this hospital pretends to have; only training is slowed down."""
    if reply.metadata.message_type != TRAIN:
        return
    simulation = read_settings(SimulationSettings, dict(context.run_config))
    partition = context.node_config.get("partition-id")
    if isinstance(partition, int) and (mbit := simulation.link(partition)):
        write_pretence(reply.content, Pretence(mbit, simulation.slowdown(partition), seconds))


app = make_app(build, pretend)
