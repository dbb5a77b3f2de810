"""Ranks that a run may have, and what a hospital may ask for."""

from __future__ import annotations

import pytest

from crossward.config.model_settings import LoraSettings
from crossward.config.node_config import NodeConfig
from crossward.config.ranks import rank_in_simulation, trained_rank
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError

LORA = LoraSettings(rank=8, ranks="8,8, 8,2,4")


def test_ranks_are_read_in_order() -> None:
    assert LORA.hospital_ranks == (8, 8, 8, 2, 4) and LoraSettings().hospital_ranks == ()
    assert RunConfig.read({"lora.ranks": "8,8,8,2"}).lora.hospital_ranks == (8, 8, 8, 2)


@pytest.mark.parametrize("ranks", ["8,x", "8,,2", "8,0", "8,-2", "8,2.0", ",", "8 2", "8,100000"])
def test_what_is_no_rank_is_named(ranks: str) -> None:
    with pytest.raises(SettingsError, match=r"lora.ranks = .* is no rank. Give one whole number from 1"):
        LoraSettings(rank=8, ranks=ranks)


def test_there_is_nothing_to_divide_without_ranks() -> None:
    assert RunConfig.read({"lora.ranks": "8,8,8,2", "lora.divided": True}).lora.divided
    with pytest.raises(SettingsError, match=r"lora.divided is for hospitals of several ranks: set lora.ranks"):
        RunConfig.read({"lora.divided": True})


@pytest.mark.parametrize("ranks", ["4,4,4,2", "16,16,16,8"])
def test_the_highest_is_the_runs(ranks: str) -> None:
    with pytest.raises(SettingsError, match=r"its highest rank is .*, expected lora.rank = 8. Set lora.rank"):
        LoraSettings(rank=8, ranks=ranks)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"lora.ranks": "8,8,4,4,2"}, "has 2 hospitals of rank 8, .* strategy.min-contributors = 3 .* to at most 4"),
        ({"lora.ranks": "8,2,2"}, "has 1 hospital of rank 8, .* to at most 2"),
        ({"lora.ranks": "8,8,8,2", "strategy.name": "fedavg"}, "Set strategy.buffer-size to 0"),
        ({"lora.ranks": "8,8,8,2", "node.sharding": "fsdp"}, "leave lora.ranks empty, or set node.sharding"),
    ],
)
def test_runs_that_could_not_open_a_component_are_refused(given: dict[str, str], expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        RunConfig.read(given)


def test_a_round_of_all_hospitals_has_enough() -> None:
    RunConfig.read({"lora.ranks": "8,8,8,2", "strategy.name": "fedavg", "strategy.buffer-size": 0})


def test_a_hospital_trains_a_rank_of_the_run() -> None:
    assert [trained_rank(LORA, rank) for rank in (0, 8, 4, 2)] == [0, 0, 4, 2]
    assert trained_rank(LoraSettings(), 8) == 0
    with pytest.raises(SettingsError, match=r"node config: rank = 3, but the run has lora.ranks = '8,8, 8,2,4'"):
        trained_rank(LORA, 3)
    with pytest.raises(
        SettingsError, match=r"the run has lora.rank = 8 for all and no lora.ranks: nothing was trained"
    ):
        trained_rank(LoraSettings(), 4)


def test_its_node_config_says_which() -> None:
    assert NodeConfig.read({"rank": 2}).rank == 2 and NodeConfig.read({}).rank == 0
    with pytest.raises(SettingsError, match="rank"):
        NodeConfig.read({"rank": -1})


def test_simulated_hospitals_have_the_ranks_in_order() -> None:
    assert [rank_in_simulation(LORA, number, 5) for number in range(5)] == [8, 8, 8, 2, 4]
    assert rank_in_simulation(LoraSettings(), 2, 5) == 0
    with pytest.raises(SettingsError, match="has 5 ranks, the simulation 6 hospitals: give one for each"):
        rank_in_simulation(LORA, 0, 6)
