"""The party that a node is: a simulation gives it a partition, a real party its node config and party.toml.

Not for: what a party does (``client_app.vertical.party``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Context

from client_app.committee.rosters import hospital_roster
from client_app.guard.answered import ALIGNMENTS, Answered
from client_app.logs import show_log
from client_app.update.keys import hospital_key, simulated_key
from client_app.vertical.demands import check_demands
from client_app.vertical.errors import PartyError
from client_app.vertical.keys import PartyKeys
from client_app.vertical.party import Party
from client_app.vertical.registry import action_of
from client_app.vertical.rosters import identity_path, simulated_parties
from client_app.vertical.simulated import load_simulated, names_of, party_folder, party_of, state_root
from crossward.config.node_config import NodeConfig
from crossward.config.party_toml import read_party_toml
from crossward.config.run_config import ON_A_NODE, RunConfig
from crossward.config.settings import SettingsError
from crossward.encryption.committee.roster import Roster
from crossward.encryption.identity import load_identity
from crossward.encryption.key_format import ConsortiumKey
from crossward.protocol.vertical.messages import HELLO, Work
from data.party.reading import load_party


def build_party(context: Context, work: Work) -> Party:
    """This party for a step, in the run's lineage.

    Raises
    ------
    SettingsError, PartyError, KeyFileError, RosterError
        a setting, a key or the roster is missing or wrong, or what the party demands is not met.
    """
    return (_simulated if "partition-id" in context.node_config else _real)(context, work)


def _simulated(context: Context, work: Work) -> Party:
    node, config = dict(context.node_config), RunConfig.read(context.run_config)
    number, parties = int(node["partition-id"]), int(node["num-partitions"])
    what, state = party_of(number, parties), state_root(config)
    folder, names = party_folder(state, work.lineage, number), names_of(parties)
    key = simulated_key(config.encryption)
    keys = _keys(identity_path(state, number), lambda _: simulated_parties(state, names), key, folder, work.lineage)
    load = functools.partial(load_simulated, config, number, parties)
    return Party(keys, config, folder, load, what.holds, what.has_outcome, action_of, (number, parties), what.prefix)


def _real(context: Context, work: Work) -> Party:
    show_log()
    given = NodeConfig.read(dict(context.node_config))
    if not given.state_dir:
        raise SettingsError(
            "node config: state-dir is missing. Start the SuperNode with --node-config "
            '\'state-dir="/var/lib/crossward" party-path="..."\''
        )
    if not given.party_path:
        raise SettingsError(
            "node config: party-path is missing: the run has parties with other features of the same patients, and "
            "this one does not say what it has. Write a party.toml and name it with party-path"
        )
    config, state = RunConfig.read(given.over(context.run_config), ON_A_NODE), Path(given.state_dir)
    path, folder = Path(given.party_path), state / work.lineage
    party = read_party_toml(path)
    has_outcome = party.outcome is not None
    check_demands(config, given, has_outcome)
    identity = state / "identity.pem"
    if work.action != HELLO:
        Answered(identity.with_suffix(".alignments"), given.max_alignments, ALIGNMENTS).allow(work.lineage)
    key = hospital_key(config.encryption, given)
    keys = _keys(identity, lambda own: hospital_roster(given).roster, key, folder, work.lineage)
    load = functools.partial(load_party, path)
    return Party(keys, config, folder, load, party.features, has_outcome, action_of, prefix=party.prefix)


def _keys(
    identity: Path,
    roster: Callable[[Ed25519PrivateKey], Roster],
    key: ConsortiumKey | None,
    folder: Path,
    lineage: str,
) -> PartyKeys:
    if key is None:
        raise PartyError(
            "a vertical run needs the consortium's key, which identifiers are peppered with: set key-path in the node "
            "config, and leave encryption.policy at 'all'"
        )
    own = load_identity(identity)
    return PartyKeys(own, roster(own), key.current, folder, lineage)
