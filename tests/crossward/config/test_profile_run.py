"""What ``run.profile`` makes of a run config: one version, equal weights, everything sealed, nothing trained."""

from __future__ import annotations

from typing import Any

import pytest

from crossward.config.profile_run import MOST_HOSPITALS
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError
from crossward.encryption.plan import FieldPlan
from crossward.encryption.settings import field_plan


def read(**given: Any) -> RunConfig:
    return RunConfig.read({"run.profile": True} | {k.replace("__", ".").replace("_", "-"): v for k, v in given.items()})


def test_a_profile_run_adds_one_update_of_every_hospital() -> None:
    config = read(strategy__min_nodes=5, strategy__variance_reduction="none", encryption__policy="sensitive")
    assert (config.schedule.versions, config.schedule.value_range(0)) == (1, 1.0)
    assert (config.strategy.buffer_size, config.strategy.rule.weighting) == (5, "equal")
    assert config.encryption.policy == "all" and not config.run.alone and config.personal.method == "none"
    assert RunConfig.read(config.by_key()) == config


@pytest.mark.parametrize("scheme", ["bfv", "committee"])
@pytest.mark.parametrize("hospitals", [3, MOST_HOSPITALS])
def test_its_plan_holds_so_many_hospitals_exactly(scheme: str, hospitals: int) -> None:
    config = read(strategy__min_nodes=hospitals, encryption__scheme=scheme)
    assert field_plan(config.encryption, hospitals, hospitals) == FieldPlan(24, 8, 0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"encryption__policy": "none"}, "adds counts that nobody may see singly"),
        ({"encryption__scheme": "ckks"}, "do not seal them exactly"),
        ({"privacy__unit": "hospital", "privacy__epsilon": 8.0}, "has no noise for counts"),
        ({"strategy__min_nodes": MOST_HOSPITALS + 1}, f"at most {MOST_HOSPITALS} hospitals"),
    ],
)
def test_what_counts_cannot_be_added_under_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read(**given)


def test_other_runs_are_as_they_were() -> None:
    assert RunConfig.read({}) == RunConfig.read({"run.profile": False})
    assert RunConfig.read({}).schedule.versions > 1
