"""Settings that differential privacy does not go together with: checked before a run, by the server and by nodes.

A claim of privacy is only as good as what else a run lets out, and an epsilon only as good as the sampling behind it.
So what would break either is refused, with the keys named, instead of being accounted for wrongly.

Not for: ranges of single keys (``crossward.config.privacy_settings``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crossward.config.model_settings import EIGHT_BIT
from crossward.config.privacy_settings import HOSPITAL, LOCAL_UNITS, NO_UNIT, PATIENT
from crossward.config.settings import SettingsError
from crossward.config.train_settings import FP16, NO_SHARDING
from crossward.config.variance_reduction import CACHED
from crossward.config.weight_rules import DP_FEDAVG
from crossward.config.weightings import WEIGHTINGS, missing

if TYPE_CHECKING:
    from crossward.config.run_config import RunConfig

Check = Callable[["RunConfig"], str]


def _local_weighting(config: RunConfig) -> str:
    unit, weighting = config.privacy.unit, config.strategy.rule.weighting
    fitting = [name for name in WEIGHTINGS if not missing(name, unit)]
    if unit not in LOCAL_UNITS or weighting in fitting:
        return ""
    return (
        f"strategy.weighting = {weighting!r} weighs by the training loss, which no node reports under privacy.unit = "
        f"{unit!r}: it would reveal single patients. Set strategy.weighting to {' or '.join(map(repr, fitting))}"
    )


def _convergence(config: RunConfig) -> str:
    """With a hospital's unit ``check_hospital`` asks the same."""
    unit, strategy = config.privacy.unit, config.strategy
    given = {"strategy.patience": strategy.patience, "strategy.target-loss": strategy.target_loss}
    stops = [key for key, value in given.items() if value]
    if unit == HOSPITAL or strategy.evaluate_every or not stops:
        return ""
    would = f"{stops[0]} would judge by the training loss, as strategy.evaluate-every = 0, but"
    if unit in LOCAL_UNITS:
        return f"{would} no node reports it under privacy.unit = {unit!r}: set strategy.evaluate-every"
    if config.train.loss_grid > 1.0:
        return (
            f"{would} nodes report it as a power of train.loss-grid = {config.train.loss_grid:g} only, so that most "
            "progress would not show: set strategy.evaluate-every, or train.loss-grid to 1.0"
        )
    return ""


def _local_engine(config: RunConfig) -> str:
    unit, train = config.privacy.unit, config.train
    if unit not in LOCAL_UNITS:
        return ""
    needs = f"privacy.unit = {unit!r} clips the gradient of every sequence by itself"
    if config.node.sharding != NO_SHARDING:
        return (
            f"{needs}, which a model sharded over processes (node.sharding = {config.node.sharding!r}) does not give: "
            "hold the model whole (node.sharding = 'none'; model.quantization = '4bit' makes it smaller)"
        )
    if train.gradient_checkpointing:
        return (
            f"{needs}, whose activations train.gradient-checkpointing discards: switch it off, and lower "
            "train.batch-size where memory is short (it changes nothing about the result)"
        )
    if train.precision == FP16:
        return f"{needs}, which the loss scaling of train.precision = 'fp16' would multiply: set 'bf16', 'no' or 'auto'"
    if config.model.quantization == EIGHT_BIT:
        return (
            f"{needs}, but in an 8-bit base model (LLM.int8) which columns of a layer's input are computed exactly "
            "depends on all sequences of a pass, so that one enters the gradients of others: set model.quantization to "
            "'4bit' or 'none'"
        )
    if train.local_seconds:
        return (
            f"train.local-seconds = {train.local_seconds} would end a training by the clock, and with privacy.unit = "
            f"{unit!r} the number of steps would reveal how long the drawn notes were, while the noise is planned for "
            "train.local-steps: set it to 0"
        )
    return ""


def _patients(config: RunConfig) -> str:
    if config.privacy.unit != PATIENT or config.data.notes.knows_patients:
        return ""
    if config.data.described:
        return (
            "privacy.unit = 'patient', and a hospital's notes.toml names no column of patients, so that each row would "
            "count as one: set columns.patient there, or set privacy.unit to 'example', which says so"
        )
    return (
        f"privacy.unit = 'patient' with data.source = {config.data.source!r} and no data.patient-column, where each "
        "row counts as a separate patient: a note would be protected, not a patient. Name the column in "
        "data.patient-column, or set privacy.unit to 'example', which says so"
    )


def _chosen_notes(config: RunConfig) -> str:
    unit = config.privacy.unit
    if unit not in LOCAL_UNITS or not config.data.max_notes:
        return ""
    return (
        f"data.max-notes = {config.data.max_notes} keeps a patient or leaves it out depending on how many notes others "
        f"have, so that one {unit} changes what is trained on of others, which privacy.unit = {unit!r} does not "
        "account for: set data.max-notes to 0 (privacy.batch and privacy.notes-per-patient say how much a step holds)"
    )


def _strategy(config: RunConfig) -> str:
    if config.strategy.name != DP_FEDAVG or config.privacy.unit != NO_UNIT:
        return ""
    return "strategy.name = 'dp-fedavg' is differentially private averaging, but privacy.unit is 'none': set it"


def _cached(config: RunConfig) -> str:
    if config.privacy.unit != HOSPITAL or not config.strategy.cached:
        return ""
    return (
        f"strategy.variance-reduction = {CACHED!r} is for updates without noise, and privacy.unit = 'hospital' bounds "
        "each of them and adds noise: caches would keep the noise, and the bound would cut the differences to them. "
        "Set strategy.variance-reduction = 'none'"
    )


CHECKS: tuple[Check, ...] = (
    _local_weighting,
    _convergence,
    _local_engine,
    _patients,
    _chosen_notes,
    _strategy,
    _cached,
)


def check_private(config: RunConfig, where: str) -> None:
    """Refuse what ``config`` asks for together.

    Raises
    ------
    SettingsError
        what does not go together, by its keys, why, and what to set instead.
    """
    for check in CHECKS:
        if problem := check(config):
            raise SettingsError(f"{where}: {problem}")
