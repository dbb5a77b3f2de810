"""What a comparison's methods share, and what each changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossward.config.data_settings import LABEL, NOTES
from crossward.config.run_config import RunConfig
from crossward.evaluation.replay import EvaluationError
from crossward.launcher.overrides import app_defaults
from research.compare.methods import CHECKS, DP_FL, ENCRYPTED, FL, HE_FL, HYBRID, METHODS
from research.compare.settings import FULL, QUICK, Comparison

ROOT = Path(__file__).resolve().parents[3]
DEFAULTS = app_defaults(ROOT)


def config(setting: Comparison, name: str, task: str = NOTES, seed: int = 0) -> dict[str, Any]:
    return setting.config((METHODS | CHECKS)[name], seed, task, DEFAULTS, Path("/state"))


@pytest.mark.parametrize("setting", [QUICK, FULL], ids=lambda s: s.name)
@pytest.mark.parametrize("name", [name for name, method in (METHODS | CHECKS).items() if method.federated])
def test_every_method_has_a_config_that_server_and_nodes_accept(setting: Comparison, name: str) -> None:
    for task in (NOTES, LABEL):
        made = config(setting, name, task)
        assert made.keys() == DEFAULTS.keys()
        RunConfig.read(made)


@pytest.mark.parametrize("setting", [QUICK, FULL], ids=lambda s: s.name)
def test_methods_differ_in_what_makes_them_and_take_as_many_updates(setting: Comparison) -> None:
    fl, he, private = (config(setting, name) for name in (FL, HE_FL, DP_FL))
    assert {k for k in fl if fl[k] != he[k]} == {"encryption.policy", "encryption.scheme"}
    assert all(k.startswith("privacy.") for k in fl if fl[k] != private[k]) and private["privacy.epsilon"] == 8.0
    ours, hybrid = (config(setting, name) for name in (ENCRYPTED, HYBRID))
    assert {k for k in ours if ours[k] != hybrid[k]} == {"encryption.policy"}
    for task in (NOTES, LABEL):
        rounds = setting.rounds if task == NOTES else setting.label_rounds
        updates = setting.versions(METHODS[ENCRYPTED], task) * setting.buffer
        assert setting.versions(METHODS[FL], task) == rounds
        assert updates == rounds * setting.hospitals  # or one of them trains more than the other
    assert setting.seeds >= 3


def test_what_methods_differ_in_cannot_be_set() -> None:
    with pytest.raises(EvaluationError, match=r"--set encryption\.policy"):
        replace(QUICK, given=(("encryption.policy", "all"),))
    with pytest.raises(EvaluationError, match=r"--set encryption\.fraction"):  # leakage is attacked at the method's own
        replace(QUICK, given=(("encryption.fraction", 0.9),))
    assert config(QUICK, HYBRID)["encryption.fraction"] == METHODS[HYBRID].fraction
    with pytest.raises(EvaluationError, match="fill a buffer"):
        replace(QUICK, hospitals=2)
    assert config(replace(QUICK, given=(("train.learning-rate", 0.5),)), FL)["train.learning-rate"] == 0.5


def test_a_file_without_a_named_label_has_none() -> None:
    own = replace(QUICK, given=(("data.source", "csv"),))
    assert QUICK.has_label and not own.has_label
    assert replace(own, given=(*own.given, ("data.label", "died"))).has_label
