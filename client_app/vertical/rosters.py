"""The roster of a simulation's parties: the code is the real one, the protection is not, as this machine has all keys.

Not for: a real party's roster, which its node config names (``client_app.committee.rosters``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crossward.encryption.committee.roster import Roster
from crossward.encryption.identity import load_identity, public_of


def identity_path(state: Path, number: int) -> Path:
    """Where the simulation's identity of party ``number`` is, in its folder ``state``."""
    return state / "identities" / f"party-{number}.pem"


def simulated_parties(state: Path, names: Sequence[str]) -> Roster:
    """The roster of parties with these ``names``; identities that are missing are made."""
    keys = {name: public_of(load_identity(identity_path(state, number))) for number, name in enumerate(names)}
    return Roster(keys, tuple(names), threshold=1)
