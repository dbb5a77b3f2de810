"""What does not go together with privacy is refused, by the names of its keys, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crossward.config.notes_settings import NotesConfig
from crossward.config.privacy_checks import check_private
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError

SOUND: dict[str, Any] = {"privacy.unit": "patient", "privacy.epsilon": 8.0, "strategy.weighting": "examples"}


@pytest.mark.parametrize(
    "config",
    [
        {},
        SOUND,
        SOUND | {"privacy.unit": "example", "strategy.weighting": "equal", "train.precision": "bf16"},
        SOUND | {"strategy.patience": 3, "strategy.evaluate-every": 2},
        {
            "privacy.unit": "hospital",
            "privacy.epsilon": 8.0,
            "strategy.weighting": "equal",
            "train.gradient-checkpointing": True,
        },
        SOUND | {"data.source": "csv", "data.patient-column": "subject"},
        SOUND | {"data.source": "mimic-iv", "model.quantization": "4bit"},
        SOUND | {"privacy.unit": "example", "data.source": "jsonl", "data.patient-column": ""},
        {"data.source": "csv", "data.max-notes": 50},
        {"strategy.weighting": "paper", "train.local-seconds": 3.0, "strategy.patience": 3},
    ],
)
def test_what_goes_together_passes(config: dict[str, Any]) -> None:
    RunConfig.read(config)


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({"strategy.weighting": "paper"}, ["strategy.weighting", "privacy.unit", "'examples'", "'equal'"]),
        ({"strategy.weighting": "corrected"}, ["strategy.weighting", "privacy.unit"]),
        ({"strategy.patience": 3, "strategy.evaluate-every": 0}, ["strategy.patience", "strategy.evaluate-every"]),
        ({"strategy.target-loss": 1.0, "strategy.evaluate-every": 0}, ["strategy.target-loss"]),
        ({"node.sharding": "fsdp", "node.engine": "worker-group"}, ["node.sharding", "privacy.unit"]),
        ({"train.gradient-checkpointing": True}, ["train.gradient-checkpointing", "privacy.unit"]),
        ({"train.precision": "fp16"}, ["train.precision", "privacy.unit"]),
        ({"model.quantization": "8bit"}, ["model.quantization", "'4bit'", "privacy.unit"]),
        ({"train.local-seconds": 3.0}, ["train.local-seconds", "train.local-steps"]),
        ({"data.source": "csv"}, ["privacy.unit", "data.patient-column", "'example'"]),
        ({"data.source": "jsonl", "data.patient-column": ""}, ["privacy.unit", "data.patient-column"]),
        ({"data.max-notes": 50}, ["data.max-notes", "privacy.unit = 'patient'"]),
        ({"data.max-notes": 50, "privacy.unit": "example"}, ["data.max-notes", "privacy.unit = 'example'"]),
        ({"privacy.unit": "none", "privacy.epsilon": 0.0, "strategy.name": "dp-fedavg"}, ["dp-fedavg", "privacy.unit"]),
    ],
)
def test_what_does_not_is_refused_by_its_keys(change: dict[str, Any], keys: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        RunConfig.read(SOUND | change)
    assert all(key in str(caught.value) for key in keys), caught.value


def test_patients_need_a_column_of_what_a_hospital_describes() -> None:
    config = RunConfig.read(SOUND | {"data.source": "own"})
    for columns, unit in (((("patient", "p"),), "patient"), ((), "example")):
        notes = NotesConfig("csv", "/a", columns=columns)
        private = replace(config.privacy, unit=unit)
        check_private(replace(config, privacy=private, data=replace(config.data, described=notes)), "here")
    with pytest.raises(SettingsError, match=r"names no column of patients.*set columns\.patient"):
        check_private(replace(config, data=replace(config.data, described=NotesConfig("csv", "/a"))), "here")


def test_the_default_weighting_reads_nothing_that_a_unit_withholds() -> None:
    config = RunConfig.read({"privacy.unit": "patient", "privacy.epsilon": 8.0})
    assert config.strategy.rule.weighting == "examples"


@pytest.mark.parametrize("key", ["strategy.patience", "strategy.target-loss"])
def test_a_run_is_not_ended_by_losses_that_are_told_coarsely(key: str) -> None:
    run = {key: 3, "strategy.evaluate-every": 0}
    with pytest.raises(SettingsError, match=rf"{key} would judge .* train\.loss-grid = 1\.5 only, .* to 1\.0"):
        RunConfig.read(run)
    for sound in ({"train.loss-grid": 1.0}, {"strategy.evaluate-every": 2}):
        RunConfig.read(run | sound)
