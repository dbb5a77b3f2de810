"""Hospitals that train fewer LoRA components than the run has: what a run allows, and what a hospital may ask for.

A component of rank j (row j of A, column j of B) is opened as a sum over the hospitals that train it, so there must be
as many of them as a version needs contributors.

Not for: which values a component has (``crossward.adapters.ranks``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossward.config.model_settings import LoraSettings
from crossward.config.settings import SettingsError
from crossward.config.strategy_settings import IN_ROUNDS
from crossward.config.train_settings import NO_SHARDING

if TYPE_CHECKING:
    from crossward.config.run_config import RunConfig


def check_ranks(config: RunConfig, where: str) -> None:
    """Refuse a run of ``lora.ranks`` whose highest components could never be opened, or not be trained.

    Raises
    ------
    SettingsError
        names the keys and what to set instead.
    """
    ranks, fewest = config.lora.hospital_ranks, config.strategy.min_contributors
    if not ranks:
        return
    if (holders := ranks.count(config.lora.rank)) < fewest:
        enough = sorted(ranks, reverse=True)[fewest - 1] if len(ranks) >= fewest else min(ranks)
        raise SettingsError(
            f"{where}: lora.ranks = {config.lora.ranks!r} has {holders} hospital{'s' if holders > 1 else ''} of rank "
            f"{config.lora.rank}, and components that fewer than strategy.min-contributors = {fewest} hospitals train "
            f"are never opened: lower lora.rank and lora.ranks to at most {enough}"
        )
    if config.strategy.name in IN_ROUNDS and config.strategy.buffer_size:
        raise SettingsError(
            f"{where}: strategy.name = {config.strategy.name!r} with lora.ranks: a sample of strategy.buffer-size = "
            f"{config.strategy.buffer_size} hospitals may have too few of a rank. Set strategy.buffer-size to 0 (all)"
        )
    if config.node.sharding != NO_SHARDING:
        raise SettingsError(
            f"{where}: lora.ranks is for small machines, and node.sharding = {config.node.sharding!r} parts a model "
            "over several: leave lora.ranks empty, or set node.sharding to 'none'"
        )


def trained_rank(lora: LoraSettings, rank: int) -> int:
    """What a hospital that asks for ``rank`` (0: the run's) trains: 0 for all of the run's components.

    Raises
    ------
    SettingsError
        the run has no such hospital.
    """
    if rank in (0, lora.rank):
        return 0
    if rank not in lora.hospital_ranks:
        has = f"lora.ranks = {lora.ranks!r}" if lora.ranks else f"lora.rank = {lora.rank} for all and no lora.ranks"
        raise SettingsError(
            f"node config: rank = {rank}, but the run has {has}: nothing was trained or sent. Train a rank of the "
            "run's (rank = 0: its lora.rank), or ask whoever configures the run to list this one in lora.ranks"
        )
    return rank


def rank_in_simulation(lora: LoraSettings, partition: int, partitions: int) -> int:
    """The rank of a simulated hospital: the one that ``lora.ranks`` has in its place; 0 where all train the same.

    Raises
    ------
    SettingsError
        there are not as many ranks as hospitals.
    """
    ranks = lora.hospital_ranks
    if ranks and len(ranks) != partitions:
        raise SettingsError(
            f"run config: lora.ranks = {lora.ranks!r} has {len(ranks)} ranks, the simulation {partitions} hospitals: "
            "give one for each"
        )
    return ranks[partition] if ranks else 0
