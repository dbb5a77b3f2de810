"""Settings that differential privacy does not go together with: asked before a run, by the server and by nodes.

A claim of privacy is only as good as what else a run lets out, and an epsilon only as good as the sampling behind it.
So what would break either is refused, with the keys named, instead of being accounted for wrongly.

Not for: ranges of single keys (``crossward.config.privacy_settings``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crossward.config.hospital_privacy import check_hospital
from crossward.config.privacy_settings import HOSPITAL, LOCAL_UNITS, NO_UNIT, PATIENT, PrivacySettings
from crossward.config.settings import SettingsError, read_settings
from crossward.config.weightings import DEFAULT, WEIGHTINGS, missing

FLAT_SOURCES = ("csv", "jsonl")  # whose patients are told apart by a column that the configuration names

Check = Callable[[PrivacySettings, Mapping[str, Any]], str]


def _local_weighting(privacy: PrivacySettings, config: Mapping[str, Any]) -> str:
    weighting = config.get("strategy.weighting", DEFAULT)
    fitting = [name for name in WEIGHTINGS if not missing(name, privacy.unit)]
    if privacy.unit not in LOCAL_UNITS or weighting in fitting:
        return ""
    return (
        f"strategy.weighting = {weighting!r} weighs by the training loss, which no node reports under privacy.unit = "
        f"{privacy.unit!r}: it would tell of single patients. Set strategy.weighting to "
        f"{' or '.join(map(repr, fitting))}"
    )


def _convergence(privacy: PrivacySettings, config: Mapping[str, Any]) -> str:
    """With a hospital's unit ``check_hospital`` asks the same."""
    stops = [key for key in ("strategy.patience", "strategy.target-loss") if config.get(key)]
    if privacy.unit == HOSPITAL or config.get("strategy.evaluate-every", 8) or not stops:
        return ""
    would = f"{stops[0]} would judge by the training loss, as strategy.evaluate-every = 0, but"
    if privacy.unit in LOCAL_UNITS:
        return f"{would} no node reports it under privacy.unit = {privacy.unit!r}: set strategy.evaluate-every"
    grid = config.get("train.loss-grid", 1.5)
    if grid > 1.0:
        return (
            f"{would} nodes tell it as a power of train.loss-grid = {grid:g} only, so that most progress would not "
            "show: set strategy.evaluate-every, or train.loss-grid to 1.0"
        )
    return ""


def _local_engine(privacy: PrivacySettings, config: Mapping[str, Any]) -> str:
    if privacy.unit not in LOCAL_UNITS:
        return ""
    needs = f"privacy.unit = {privacy.unit!r} clips the gradient of every sequence by itself"
    if config.get("node.sharding", "none") != "none":
        return (
            f"{needs}, which a model shared out over processes (node.sharding = {config['node.sharding']!r}) does not "
            "give: hold the model whole (node.sharding = 'none'; model.quantization = '4bit' makes it smaller)"
        )
    if config.get("train.gradient-checkpointing", False):
        return (
            f"{needs}, whose activations train.gradient-checkpointing throws away: switch it off, and lower "
            "train.batch-size where memory is short (it changes nothing about the result)"
        )
    if config.get("train.precision", "auto") == "fp16":
        return f"{needs}, which the loss scaling of train.precision = 'fp16' would multiply: set 'bf16', 'no' or 'auto'"
    if config.get("model.quantization", "none") == "8bit":
        return (
            f"{needs}, but in an 8-bit base model (LLM.int8) which columns of a layer's input are computed exactly "
            "depends on all sequences of a pass, so that one enters the gradients of others: set model.quantization to "
            "'4bit' or 'none'"
        )
    if config.get("train.local-seconds", 0.0):
        return (
            f"train.local-seconds = {config['train.local-seconds']} would end a training by the clock, and with "
            f"privacy.unit = {privacy.unit!r} the number of steps would tell how long the drawn notes were, while the "
            "noise is planned for train.local-steps: set it to 0"
        )
    return ""


def _patients(privacy: PrivacySettings, config: Mapping[str, Any]) -> str:
    source = config.get("data.source", "synthetic")
    if privacy.unit != PATIENT or source not in FLAT_SOURCES or config.get("data.patient-column", ""):
        return ""
    return (
        f"privacy.unit = 'patient' with data.source = {source!r} and no data.patient-column, where each row counts as "
        "a patient of its own: what would be protected is a note, not a patient. Name the column in "
        "data.patient-column, or set privacy.unit to 'example', which says so"
    )


def _chosen_notes(privacy: PrivacySettings, config: Mapping[str, Any]) -> str:
    if privacy.unit not in LOCAL_UNITS or not config.get("data.max-notes", 0):
        return ""
    return (
        f"data.max-notes = {config['data.max-notes']} keeps a patient or leaves it out depending on how many notes "
        f"others have, so that one {privacy.unit} changes what is trained on of others, which privacy.unit = "
        f"{privacy.unit!r} does not account for: set data.max-notes to 0 (privacy.batch and "
        "privacy.notes-per-patient say how much a step holds)"
    )


def _strategy(privacy: PrivacySettings, config: Mapping[str, Any]) -> str:
    if config.get("strategy.name") != "dp-fedavg" or privacy.unit != NO_UNIT:
        return ""
    return "strategy.name = 'dp-fedavg' is differentially private averaging, but privacy.unit is 'none': set it"


CHECKS: tuple[Check, ...] = (_local_weighting, _convergence, _local_engine, _patients, _chosen_notes, _strategy)


def check_private(config: Mapping[str, Any], where: str = "run config") -> None:
    """Refuse what ``config`` (run-config keys and values; absent keys are at their default) asks for together.

    Raises
    ------
    SettingsError
        what does not go together, by its keys, why, and what to set instead.
    """
    privacy = read_settings(PrivacySettings, config, where)
    for check in CHECKS:
        if problem := check(privacy, config):
            raise SettingsError(f"{where}: {problem}")
    check_hospital(config)
