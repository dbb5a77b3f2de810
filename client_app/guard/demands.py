"""What a hospital requires of every run: how much is sealed, and who is protected how well.

A run's own settings come from the aggregator's side. A hospital says in its node config what they must at least be, and
its node refuses any run that asks for less, before notes are read, a model is loaded or anything is sent.

A note's protection does not follow from a patient's at the same epsilon (without one of their notes, a patient's
clipped mean may turn around: twice the sensitivity), nor a patient's from a hospital's, whose noise others make. So a
unit is given by itself alone.

Not for: keys (``client_app.update.keys``), what goes together within one run (``crossward.config.privacy_checks``).
"""

from __future__ import annotations

from crossward.config.data_sources import OWN, SOURCES, SYNTHETIC
from crossward.config.encryption_settings import POLICIES
from crossward.config.node_config import NodeConfig
from crossward.config.privacy_settings import NO_UNIT, PATIENT
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError


def check_demands(config: RunConfig, node: NodeConfig) -> None:
    """Refuse a run that would seal less than this hospital requires, or protect others or less.

    Raises
    ------
    SettingsError
        names the run's value, the hospital's, and where to change which.
    """
    encryption, privacy = config.encryption, config.privacy
    if POLICIES.index(encryption.policy) < POLICIES.index(node.policy):
        raise _refused("encryption.policy", encryption.policy, "policy", node.policy, f"{node.policy!r} or more")
    fewest = config.strategy.min_contributors
    if fewest < node.min_contributors:
        most = f"at least {node.min_contributors}"
        raise _refused("strategy.min-contributors", fewest, "min-contributors", node.min_contributors, most)
    if node.privacy_unit != NO_UNIT and privacy.unit != node.privacy_unit:
        raise _refused("privacy.unit", privacy.unit, "privacy-unit", node.privacy_unit, repr(node.privacy_unit))
    _check_notes(config, node)
    if not node.privacy_epsilon:
        return
    if not 0.0 < privacy.epsilon <= node.privacy_epsilon:  # 0 is a run without a budget
        most = f"more than 0 and at most {node.privacy_epsilon:g}"
        raise _refused("privacy.epsilon", privacy.epsilon, "privacy-epsilon", node.privacy_epsilon, most)
    if privacy.delta > node.privacy_delta:
        most = f"at most {node.privacy_delta:g}"
        raise _refused("privacy.delta", privacy.delta, "privacy-delta", node.privacy_delta, most)


def _check_notes(config: RunConfig, node: NodeConfig) -> None:
    """Whose notes are read, and who a patient is: the hospital says it, not the run."""
    privacy, source = config.privacy, config.data.source
    if source == OWN and node.notes is None:
        raise SettingsError(
            "the run has data.source = 'own', what each hospital's notes.toml says, and this hospital names none: set "
            "notes-path in its node config. Nothing was trained or sent"
        )
    if privacy.unit == PATIENT and source == OWN and node.notes and not node.notes.knows_patients:
        raise SettingsError(
            "the run has privacy.unit = 'patient', and this hospital's notes.toml names no column of patients, so that "
            "each row would count as one: set columns.patient there. Nothing was trained or sent"
        )
    if node.privacy_unit != NO_UNIT and source != SYNTHETIC and not (node.data_path or node.notes_path):
        raise SettingsError(
            f"node config: privacy-unit = {node.privacy_unit!r}, but the hospital does not say which notes are "
            "protected: set data-path too. Nothing was trained or sent"
        )
    if node.privacy_unit == PATIENT and SOURCES[source].is_flat and not node.patient_column:
        raise SettingsError(
            f"node config: privacy-unit = 'patient', and the run reads this hospital's {source} file, but the "
            "hospital, not the run, has to say which column names a patient: set patient-column along with "
            "privacy-unit. Nothing was trained or sent"
        )


def _refused(key: str, value: object, own_key: str, own: object, enough: str) -> SettingsError:
    return SettingsError(
        f"the run has {key} = {value!r}, this hospital takes part under {enough} (node config: {own_key} = {own!r}): "
        f"nothing was trained or sent. Run with such a {key}, or, if the hospital agrees, start its SuperNode with "
        f"another {own_key} in its node config"
    )
