"""The parties of a simulation: a hospital with notes and outcomes, one with vital signs, a laboratory.

    data = simulated_party(2, patients=1200, overlap=0.2)
    truth = withheld(2, patients=1200, overlap=0.2)      # for evaluation alone

Their tables are written into the cache (``data.synthetic.parties``) and read as any party's are.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data.cache import cached, digest
from data.errors import DataError
from data.party import PartyData
from data.party.reading import load_party
from data.synthetic.parties import PARTIES, members, outcomes, write_party


@dataclasses.dataclass(frozen=True)
class Withheld:
    """Of a party's patients, in the order of its ``PartyData``: who they are, who is at all parties, who died.

    ``people`` is int64 [patients], a number that is the same at every party; ``common`` bool; ``outcome`` uint8. It is
    given to no party.
    """

    people: npt.NDArray[np.int64]
    common: npt.NDArray[np.bool_]
    outcome: npt.NDArray[np.uint8]


def simulated_party(party: int, patients: int, overlap: float, seed: int = 0) -> PartyData:
    """What party ``party``, a place in ``PARTIES``, has.

    Parameters
    ----------
    patients, overlap : int, float
        How many patients there are of all parties together, and which share of them is at all parties; each of the
        others is at one.
    seed : int
        The same seed makes the same patients.

    Raises
    ------
    DataError
        there is no such party, or there are too few patients in common or apart.
    """
    return load_party(party_folder(party, patients, overlap, seed))


def party_folder(party: int, patients: int, overlap: float, seed: int = 0) -> Path:
    """The folder of its tables and its ``party.toml``, which are made unless they are in the cache."""
    key = digest("parties", party, patients, overlap, seed)
    return cached("parties", key, lambda folder: write_party(party, folder, patients, overlap, seed))


def withheld(party: int, patients: int, overlap: float, seed: int = 0) -> Withheld:
    """What an evaluation knows of the patients of :func:`simulated_party`."""
    data = simulated_party(party, patients, overlap, seed)
    found = members(patients, overlap, seed)
    spell, people = PARTIES[party].spell, found.of[party]
    place = {spell(person): at for at, person in enumerate(people.tolist())}
    if set(place) != set(data.patients):
        raise DataError("the made-up patients are not those of the party: empty the folder cache in CROSSWARD_HOME")
    rows = np.array([place[name] for name in data.patients])
    return Withheld(people[rows], np.isin(people[rows], found.common), outcomes(party, patients, overlap, seed)[rows])
