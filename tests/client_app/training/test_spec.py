"""A learner as plain values, and which of them a worker group is started with."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_app.training.spec import LearnerSpec

TABLES = tomllib.loads((Path(__file__).resolve().parents[3] / "pyproject.toml").read_text())
CONFIG = {f"{t}.{k}": v for t, rows in TABLES["tool"]["flwr"]["app"]["config"].items() for k, v in rows.items()}
KEY = LearnerSpec.of(CONFIG).group_key("code")
configs = st.dictionaries(
    st.text(), st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
)


def changed(value: Any) -> Any:
    """Another value of its type."""
    return not value if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)


@given(configs, st.none() | st.integers(0, 9), st.none() | st.integers(1, 9), st.text())
def test_it_comes_back_from_json_as_it_was(
    config: dict[str, Any], partition: int | None, partitions: int | None, site: str
) -> None:
    spec = LearnerSpec.of(config, partition, partitions, site)
    again = LearnerSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec and hash(again) == hash(spec)
    assert [type(v) for _, v in again.config] == [type(v) for _, v in spec.config]
    assert again.group_key("x") == spec.group_key("x")


def test_the_order_of_keys_is_no_difference() -> None:
    backwards = dict(reversed(CONFIG.items()))
    assert LearnerSpec.of(backwards) == LearnerSpec.of(CONFIG)
    assert LearnerSpec.of(backwards).group_key("code") == KEY


@pytest.mark.parametrize("key", sorted(CONFIG))
def test_only_what_a_group_is_started_with_decides_which_group_it_is(key: str) -> None:
    other = LearnerSpec.of(CONFIG | {key: changed(CONFIG[key])}).group_key("code")
    assert (other != KEY) == (key.startswith(("model.", "lora.", "node.")) or key == "run.seed")


def test_other_code_is_another_group() -> None:
    assert LearnerSpec.of(CONFIG).group_key("other code") != KEY


def test_hospitals_may_share_a_group() -> None:
    assert LearnerSpec.of(CONFIG, 1, 3, "North").group_key("code") == KEY
