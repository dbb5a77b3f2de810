"""The run config as a whole: sections, unknown and old keys, and configs that an earlier version stored."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from crossward.config.old_keys import OLD_RUN_KEYS, current_keys
from crossward.config.run_config import DEFAULTS, HOSPITAL_KEYS, SECTIONS, RunConfig, unknown_key
from crossward.config.settings import SettingsError, keyed
from crossward.launcher.errors import LauncherError
from crossward.launcher.overrides import read_overrides

HOSPITAL = {"privacy.unit": "hospital", "privacy.epsilon": 8.0, "strategy.weighting": "equal"}


def test_every_section_is_a_field_and_every_key_is_read_by_one() -> None:
    names = {field.name for field in dataclasses.fields(RunConfig)}
    assert names == {*SECTIONS, "mechanism"}
    assert len(DEFAULTS) == sum(len(keyed(section)) for section in SECTIONS.values())
    assert RunConfig.read({}).by_key() == DEFAULTS


@pytest.mark.parametrize("given", [{}, HOSPITAL, {"data.source": "csv", "train.learning-rate": 1}])
def test_it_comes_back_from_its_values(given: dict[str, Any]) -> None:
    config = RunConfig.read(given)
    assert RunConfig.read(json.loads(json.dumps(config.by_key()))) == config
    assert hash(config) == hash(RunConfig.read(config.by_key()))


def test_sections_are_typed_and_cannot_be_changed() -> None:
    config = RunConfig.read({"train.batch-size": 8, "train.learning-rate": 1, "encryption.policy": "none"})
    assert (config.train.batch_size, config.schedule.peak, config.encryption.policy) == (8, 1.0, "none")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.train.batch_size = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("train.batchsize", "there is no key train.batchsize; did you mean train.batch-size"),
        ("train.batch_size", "did you mean train.batch-size"),
        ("zzz", "there is no key zzz; see"),
        ("strategy.poll-seconds", r"strategy.poll-seconds is now fixed at 0.2 \(.*\): remove it"),
        ("encryption.value-bits", "encryption.value-bits is now part of encryption.plan"),
        ("data.label-column", "data.label-column is now data.label, "),
        ("strategy.loss-exponent", "strategy.loss-exponent is now part of strategy.exponents"),
    ],
)
def test_a_key_that_does_not_exist_is_named_with_what_to_use(key: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"^run config: .*{message}") as caught:
        RunConfig.read({key: 1})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", sorted(OLD_RUN_KEYS))
def test_an_old_key_is_gone_and_what_it_says_to_use_exists(key: str) -> None:
    assert key not in DEFAULTS
    named = set(re.findall(r"(?:run|data|encryption|privacy|strategy|train)\.[a-z-]+", OLD_RUN_KEYS[key].now))
    assert named <= set(DEFAULTS), named
    with pytest.raises(LauncherError, match=f"run config: {re.escape(key)} is now "):
        read_overrides([f"{key}=1"], DEFAULTS)
    assert unknown_key(key).startswith(f"{key} is now ")


def test_what_an_earlier_version_stored_is_read_where_old_keys_say_nothing_new() -> None:
    old = {key: entry.neutral for key, entry in OLD_RUN_KEYS.items()}
    assert RunConfig.stored(DEFAULTS | old) == RunConfig.read({})
    assert current_keys({"data.label-column": "died"}) == {"data.label": "died"}
    with pytest.raises(SettingsError, match=r"train\.value-range is now fixed at 1\.0"):
        RunConfig.stored(old | {"train.value-range": 2.0})


def test_a_hospital_may_set_what_its_machine_decides_and_nothing_else() -> None:
    assert {key.split(".")[0] for key in HOSPITAL_KEYS} == {"model", "train", "node", "encryption", "personal"}
    for key in ("train.local-steps", "train.learning-rate", "train.clip", "model.name", "encryption.policy"):
        assert key not in HOSPITAL_KEYS


def test_no_module_past_the_door_looks_a_key_up() -> None:
    """Beside crossward/config: what was stored, a request that may be wrong, what a command adds to a config unread."""
    root = Path(__file__).resolve().parents[3]
    looks_up = re.compile(
        r"(\.get\(|\w\[)\"(run|model|lora|data|strategy|train|node|encryption|privacy|personal|simulation)\.[a-z-]+\""
    )
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for room in ("data", "client_app", "strategies", "server_app", "crossward")
        for path in sorted((root / room).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if looks_up.search(line) and path.parent.name != "config"
    ]
    stored = {"client_app/group/rank.py", "client_app/guard/selection.py", "server_app/run_folder.py"}
    assert {line.partition(":")[0] for line in found} == stored | {"crossward/launcher/choices.py"}, found
