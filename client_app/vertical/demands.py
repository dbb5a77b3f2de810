"""What a party requires of every vertical run; it refuses any that asks for less, before data are read.

Not for: hospitals' demands of horizontal runs (``client_app.guard.demands``).
"""

from __future__ import annotations

from crossward.config.node_config import NodeConfig
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError
from crossward.config.vertical_settings import NOISED


def check_demands(config: RunConfig, node: NodeConfig, has_outcome: bool = False) -> None:
    """Refuse a run whose embeddings would say more than this party allows.

    Raises
    ------
    SettingsError
        names the run's value, the party's, and where to change which.
    """
    vertical = config.vertical
    if node.privacy_epsilon and not (vertical.protection == NOISED and vertical.epsilon <= node.privacy_epsilon):
        raise SettingsError(
            f"the run has vertical.protection = {vertical.protection!r} and vertical.epsilon = {vertical.epsilon:g}, "
            f"this party takes part with {NOISED!r} and at most {node.privacy_epsilon:g} (node config: "
            "privacy-epsilon): nothing was read or sent"
        )
    if config.privacy.delta > node.privacy_delta:
        raise SettingsError(
            f"the run has privacy.delta = {config.privacy.delta:g}, this party accepts at most {node.privacy_delta:g} "
            "(node config: privacy-delta): nothing was read or sent"
        )
    if node.most_patients and vertical.most_patients > node.most_patients:
        raise SettingsError(
            f"the run has vertical.most-patients = {vertical.most_patients}, this party accepts at most "
            f"{node.most_patients} (node config: most-patients): nothing was read or sent"
        )
    enough = not node.label_epsilon or 0 < vertical.label_epsilon <= node.label_epsilon
    if has_outcome and vertical.tells_outcomes and not enough:
        raise SettingsError(
            "the run returns targets or predictions to the other parties, which tell them outcomes, with "
            f"vertical.label-epsilon = {vertical.label_epsilon:g}; this party accepts more than 0 and at most "
            f"{node.label_epsilon:g} (node config: label-epsilon): set it, or vertical.exchanges = 0 and "
            "vertical.distil = false. Nothing was read or sent"
        )
