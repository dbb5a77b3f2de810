"""What a hospital demands of every run it takes part in: how much is sealed, and who is protected how well.

A run's own settings come from the aggregator's side. A hospital says in its node config what they must at least be, and
its node refuses any run that asks for less, before notes are read, a model is loaded or anything is sent.

Not for: keys (``client_app.keys``), what goes together within one run (``protocol.privacy_checks``).
"""

from __future__ import annotations

from client_app.settings import NodeSettings
from encryption.settings import ALL, NONE, SENSITIVE, EncryptionSettings
from protocol.privacy_settings import GIVEN_BY, PrivacySettings
from protocol.settings import SettingsError

_STRENGTH = {NONE: 0, SENSITIVE: 1, ALL: 2}


def check_demands(encryption: EncryptionSettings, privacy: PrivacySettings, node: NodeSettings) -> None:
    """Refuse a run that would seal less than this hospital demands, or protect somebody else or less.

    Raises
    ------
    SettingsError
        names the run's value, the hospital's, and where to change which.
    """
    if _STRENGTH[encryption.policy] < _STRENGTH[node.policy]:
        raise _refused("encryption.policy", encryption.policy, "policy", node.policy, f"{node.policy!r} or more")
    if privacy.unit not in GIVEN_BY[node.privacy_unit]:
        enough = " or ".join(repr(unit) for unit in GIVEN_BY[node.privacy_unit])
        raise _refused("privacy.unit", privacy.unit, "privacy-unit", node.privacy_unit, enough)
    if not node.privacy_epsilon:
        return
    if not 0.0 < privacy.epsilon <= node.privacy_epsilon:  # 0 is a run without a budget
        most = f"more than 0 and at most {node.privacy_epsilon:g}"
        raise _refused("privacy.epsilon", privacy.epsilon, "privacy-epsilon", node.privacy_epsilon, most)
    if privacy.delta > node.privacy_delta:
        most = f"at most {node.privacy_delta:g}"
        raise _refused("privacy.delta", privacy.delta, "privacy-delta", node.privacy_delta, most)


def _refused(key: str, value: object, own_key: str, own: object, enough: str) -> SettingsError:
    return SettingsError(
        f"the run has {key} = {value!r}, this hospital takes part under {enough} (node config: {own_key} = {own!r}): "
        f"nothing was trained or sent. Run with such a {key}, or, if the hospital agrees, start its SuperNode with "
        f"another {own_key} in its node config"
    )
