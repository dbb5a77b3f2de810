"""Settings: what the reader and the README need is there, and wrong values are refused by name."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from crossward.adapters import LoraSettings, ModelConfig
from crossward.config.settings import SettingsError


@pytest.mark.parametrize("kind", [ModelConfig, LoraSettings])
def test_every_field_says_how_it_is_set(kind: type[Any]) -> None:
    hints = get_type_hints(kind)
    prefix = {ModelConfig: "model.", LoraSettings: "lora."}[kind]
    for field in dataclasses.fields(kind):
        assert field.metadata["key"] == prefix + field.name.replace("_", "-")
        assert field.metadata["help"]
        assert hints[field.name] in (bool, int, float, str)
        assert type(field.default) is hints[field.name]
        assert field.default in field.metadata.get("choices", (field.default,))


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"factors": "a"}, "'both', 'b' or 'core'"),
        ({"bases": "/bases.safetensors"}, "lora.bases.*only lora.factors = 'core'"),
        ({"bases": "bases.safetensors", "factors": "core"}, "lora.bases.*absolute"),
        ({"rank": 0}, "lora.rank"),
        ({"alpha": 0.0}, "lora.alpha"),
        ({"alpha": float("inf")}, "lora.alpha"),
        ({"dropout": 1.0}, "lora.dropout"),
        ({"target_modules": " , "}, "lora.target-modules"),
    ],
)
def test_wrong_lora_settings_are_named(wrong: dict[str, Any], part: str) -> None:
    with pytest.raises(SettingsError, match=part):
        LoraSettings(**wrong)


@pytest.mark.parametrize("wrong", [{"device": "gpu"}, {"device": "cuda:x"}, {"name": " "}])
def test_wrong_model_settings_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=f"model.{next(iter(wrong))}"):
        ModelConfig(**wrong)


def test_targets_are_split_and_deduplicated() -> None:
    assert LoraSettings(target_modules="q_proj, v_proj,q_proj,").targets == ("q_proj", "v_proj")


def test_settings_cost_no_import_of_torch() -> None:
    code = (
        "import sys; from crossward import adapters; adapters.ModelConfig(); "
        "assert not {'torch', 'peft', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
