"""The steps that both builders share: where a node's files are, its privacy budget, and the node itself.

Not for: what differs between a simulated hospital and a real one (``client_app.builders.simulated``,
``client_app.builders.hospital``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client_app.committee.keys import CommitteeKeys
from client_app.committee.seat import Seat
from client_app.guard.budget import Budget, TotalBudget
from client_app.guard.limits import Limits
from client_app.node import Node, PrivateLearner
from client_app.update.held_out_loss import HeldOutReports
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.payloads import Vault
from client_app.update.reporting import Reporting
from client_app.update.sealer import UpdateSealer
from crossward.adapters.ranks import Ranks
from crossward.config.encryption_settings import SENSITIVE
from crossward.config.privacy_settings import LOCAL_UNITS
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError
from crossward.config.weightings import EXAMPLES, WEIGHTINGS
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.statements import Rules
from crossward.encryption.identity import load_identity


@dataclass(frozen=True)
class NodeFiles:
    """Where a node keeps the run lineage's state (``folder``), its identity, and its worker group.

    What must outlast the lineage's folder is beside the identity: deleting the folder must not make spending forgotten.
    """

    folder: Path
    identity: Path
    workers: Path

    def spent(self, lineage: str) -> Path:
        """The record of what ``lineage`` spent of its privacy budget."""
        return self.identity.with_suffix(".spent") / f"{lineage}.json"

    def held_out(self, lineage: str) -> Path:
        """The record of what ``lineage`` was reported of held-out patients, and of the budget for that."""
        return self.identity.with_suffix(".held-out") / f"{lineage}.json"

    @property
    def profiles(self) -> Path:
        """The record of the profile runs that were answered, over all lineages."""
        return self.identity.with_suffix(".profiles")

    @property
    def unopened(self) -> Path:
        """The count of what did not open, over all lineages."""
        return self.identity.with_suffix(".unopened")


def open_limits(
    config: RunConfig, files: NodeFiles, lineage: str, learner: PrivateLearner, total_budget: TotalBudget | None = None
) -> Limits:
    """The node's limits; where the run protects patients or notes, the learner's are read to count them."""
    budget, privacy = None, config.privacy
    if privacy.unit in LOCAL_UNITS:
        if config.run.profile:  # every unit is counted, none is sampled
            privacy = replace(privacy, batch=learner.units)
        budget = Budget(files.spent(lineage), privacy, config.schedule, learner.units, total_budget=total_budget)
    return Limits(config.privacy.unit, budget, files.unopened)


def committee_keys(
    config: RunConfig, files: NodeFiles, roster: Callable[[Ed25519PrivateKey], RosterBook], min_contributors: int = 1
) -> CommitteeKeys | None:
    """What the run's scheme takes beside the consortium's key; None where it has no committee, or nothing is sealed.

    ``roster`` gets the hospital's own identity; ``min_contributors`` are the fewest that the hospital demands.

    Raises
    ------
    RosterError
        this hospital is not in the roster.
    """
    encryption, strategy = config.encryption, config.strategy
    if not encryption.has_committee:
        return None
    identity = load_identity(files.identity)
    rules = Rules(max(strategy.min_contributors, min_contributors), strategy.max_share)
    return CommitteeKeys.of(roster(identity), rules, identity, files.folder / "stretches", encryption.stretch)


def make_seat(config: RunConfig, keys: CommitteeKeys | None, vault: Vault) -> Seat:
    """The seat of a hospital with these ``keys``.

    Raises
    ------
    SettingsError
        the run has no committee.
    """
    if keys is None:
        raise SettingsError(
            f"the run has encryption.policy = {config.encryption.policy!r} and encryption.scheme = "
            f"{config.encryption.scheme!r}: it has no committee to ask"
        )
    return Seat(keys, vault)


def make_node(
    config: RunConfig,
    files: NodeFiles,
    vault: Vault,
    learner: PrivateLearner,
    limits: Limits,
    keys: CommitteeKeys | None = None,
    fewest_held_out: int = 0,
    held_out: HeldOutReports | None = None,
    rank: int = 0,
) -> Node:
    """The node that follows ``config``; it reports measures of at least ``fewest_held_out`` patients.

    ``held_out`` makes the losses that it reports beside updates; ``rank`` is how many components the ``learner``
    trains, 0 for all.
    """
    encryption, mechanism = config.encryption, config.mechanism
    if encryption.policy == SENSITIVE:
        vault = replace(vault, blocks=learner.sensitive_blocks(encryption.fraction))
    counts = EXAMPLES in WEIGHTINGS[config.strategy.rule.weighting].needs
    noise = HospitalNoise(mechanism) if mechanism is not None else None
    return Node(
        learner,
        files.folder,
        load_identity(files.identity),
        config.schedule,
        config.run.seed,
        sealer=UpdateSealer(vault, noise, config.train.error_feedback, keys, rank),
        limits=limits,
        reporting=Reporting(counts, config.train.loss_grid, fewest_held_out, held_out),
        cached=config.strategy.cached,
        personal=config.personal,
        ranks=Ranks.of(learner.shapes, config.lora) if config.lora.ranks else None,
    )
