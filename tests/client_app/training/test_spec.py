"""A learner as plain values, and which of them a worker group is started with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from client_app.training.spec import LearnerSpec
from crossward.config.run_config import DEFAULTS, SECTIONS, RunConfig
from crossward.config.settings import keyed

DEFAULT = LearnerSpec(RunConfig.read({}))
KEY = DEFAULT.group_key("code")


def changed(key: str) -> Any:
    """Another value that the key may have."""
    for section in SECTIONS.values():
        for field in (field for field in keyed(section) if field.metadata["key"] == key):
            if choices := field.metadata.get("choices"):
                return next(choice for choice in choices if choice != field.default)
            if isinstance(field.default, bool):
                return not field.default
            if isinstance(field.default, int):
                return field.default + 1
            if isinstance(field.default, float):
                return min(field.default + 0.25, field.metadata.get("max", 1e9)) if field.default < 1 else 2.0
    return OTHER[key]


OTHER = {
    "run.folder": "/run",
    "run.callbacks": "my.module:Callback",
    "run.resume": "/run",
    "run.state-dir": "/state",
    "model.name": "org/model",
    "model.revision": "v1",
    "model.device": "cpu",
    "lora.target-modules": "q_proj",
    "lora.ranks": "8,8,8,2",
    "lora.bases": "/bases",
    "data.path": "/notes",
    "data.encoding": "latin-1",
    "data.text-column": "note",
    "data.patient-column": "subject",
    "data.site-column": "ward",
    "data.labels": "a,b",
    "data.label": "died",
    "data.note-types": "Nursing",
    "strategy.exponents": "0,0,1",
    "encryption.plan": "8,7,2",
    "encryption.key": "0123456789abcdef",
    "simulation.links-mbit": "1",
    "simulation.slowdowns": "2",
}
NEEDS = {  # keys that do not go without others
    "lora.bases": {"lora.factors": "core"},
    "privacy.unit": {"privacy.epsilon": 1.0},
    "privacy.epsilon": {"privacy.unit": "example"},
    "privacy.noise-multiplier": {"privacy.unit": "example"},
    "privacy.micro-batch": {"privacy.unit": "example", "privacy.epsilon": 1.0},
    "strategy.min-contributors": {"strategy.buffer-size": 4},
    "strategy.variance-reduction": {"strategy.weighting": "equal"},
    "strategy.rollback-ratio": {"strategy.rollback-ratio": 2.0},
    "lora.divided": {"lora.ranks": "8,8,8,2"},
    "node.sharding": {"node.engine": "worker-group"},
    "vertical.epsilon": {"vertical.protection": "noised", "run.scenario": "vertical"},
    "vertical.protection": {"vertical.epsilon": 8.0, "run.scenario": "vertical"},
    "vertical.label-epsilon": {"run.scenario": "vertical"},
}


@pytest.mark.parametrize("partition", [None, 2])
def test_it_comes_back_from_json_as_it_was(partition: int | None) -> None:
    config = RunConfig.read({"train.learning-rate": 1e-3, "strategy.max-wait": 5, "data.source": "csv"})
    spec = LearnerSpec(config, partition, partition and 3, "North")
    again = LearnerSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec and hash(again) == hash(spec) and again.group_key("x") == spec.group_key("x")


@pytest.mark.parametrize("key", sorted(DEFAULTS))
def test_only_what_a_group_is_started_with_decides_which_group_it_is(key: str) -> None:
    needs = {"strategy.weighting": "equal"} | NEEDS.get(key, {}) if key.startswith("privacy.") else NEEDS.get(key, {})
    value = needs.pop(key, None) or changed(key)
    alone = not key.startswith(("privacy.", "vertical."))  # what these need does not go without them
    before = LearnerSpec(RunConfig.read(needs)) if alone else DEFAULT
    after = LearnerSpec(RunConfig.read(needs | {key: value}))
    assert after != before
    assert (after.group_key("code") != before.group_key("code")) == (
        key.startswith(("model.", "lora.", "node.")) or key == "run.seed"
    )


def test_other_code_is_another_group() -> None:
    assert DEFAULT.group_key("other code") != KEY


def test_hospitals_may_share_a_group() -> None:
    assert LearnerSpec(DEFAULT.config, 1, 3, "North").group_key("code") == KEY
