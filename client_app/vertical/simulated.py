"""The parties of a simulation: who they are, what they have, and where their state is.

Not for: making their patients (``data.party.simulated``).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError
from crossward.machine.paths import own_folder
from data.party import PartyData
from data.party.simulated import simulated_party
from data.synthetic.parties import PARTIES, PREFIX


class SimulatedParty(NamedTuple):
    """A party's name, the kind of features it ``holds``, whether it has the outcome, what precedes its identifiers."""

    name: str
    holds: str
    has_outcome: bool = False
    prefix: str = ""


_PARTIES = (
    SimulatedParty(PARTIES[0].name, "notes", True, PREFIX),
    SimulatedParty(PARTIES[1].name, "vital signs"),
    SimulatedParty(PARTIES[2].name, "laboratory values"),
)
_OF_TWO = (0, 2)  # of two parties: notes and the outcome at one, laboratory values at the other


def check_parties(parties: int) -> None:
    """Refuse a number of parties that there are no made-up ones for."""
    if not 2 <= parties <= len(_PARTIES):
        raise SettingsError(
            f"--num-supernodes {parties}: there are made-up data of 2 to {len(_PARTIES)} parties, each with features "
            "of its own; real parties name what they have in their party.toml"
        )


def _numbers(parties: int) -> tuple[int, ...]:
    check_parties(parties)
    return tuple(range(parties)) if parties == len(_PARTIES) else _OF_TWO


def party_of(number: int, parties: int) -> SimulatedParty:
    """Party ``number`` of so many."""
    return _PARTIES[_numbers(parties)[number]]


def names_of(parties: int) -> tuple[str, ...]:
    """The names of all of so many parties."""
    return tuple(_PARTIES[number].name for number in _numbers(parties))


def load_simulated(config: RunConfig, number: int, parties: int) -> PartyData:
    """What party ``number`` of so many has in a simulation of ``config``."""
    vertical = config.vertical
    return _made(_numbers(parties)[number], vertical.patients, vertical.overlap, config.data.seed)


@functools.lru_cache(maxsize=4)
def _made(number: int, patients: int, overlap: float, seed: int) -> PartyData:
    return simulated_party(number, patients, overlap, seed)


def numbers_of_data(parties: int) -> tuple[int, ...]:
    """Places of so many parties among all made-up ones (``data.party.simulated.PARTIES``)."""
    return _numbers(parties)


def state_root(config: RunConfig) -> Path:
    """Where the simulation's parties keep their state."""
    return Path(config.run.state) if config.run.state else own_folder("state")


def party_folder(state: Path, lineage: str, number: int) -> Path:
    """Where party ``number`` keeps the state of a run lineage."""
    return state / lineage / f"party-{number}"
