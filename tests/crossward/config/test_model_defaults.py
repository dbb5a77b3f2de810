"""Derived defaults follow the model's size, stay within its positions, and are keys that a run takes."""

from __future__ import annotations

import pytest

from crossward.config.model_defaults import CPU_TOKENS, GPU_TOKENS, TIERS, ModelSize, derived_defaults
from crossward.config.run_config import RunConfig


def values(parameters: float, positions: int | None = 8192, gpu: bool = False) -> dict[str, object]:
    found = derived_defaults(ModelSize(int(parameters), positions, 49152, gpu))
    assert all(derived.reason for derived in found.values())
    return {key: derived.value for key, derived in found.items()}


@pytest.mark.parametrize("parameters", [1e6, 135e6, 1.7e9, 8e9, 70e9])
def test_derived_values_make_a_run_config(parameters: float) -> None:
    found = values(parameters)
    config = RunConfig.read(found)
    assert config.schedule.peak == found["train.learning-rate"] and config.lora.alpha == 2 * config.lora.rank


def test_larger_models_are_trained_at_lower_rates() -> None:
    rates = [tier.learning_rate for tier in TIERS]
    assert rates == sorted(set(rates), reverse=True)
    assert [tier.parameters for tier in TIERS] == sorted(tier.parameters for tier in TIERS)
    assert values(135e6)["train.learning-rate"] == 2e-3 and values(7e9)["train.learning-rate"] == 2e-4


def test_windows_fit_the_model_and_the_device() -> None:
    assert values(1e9)["data.max-tokens"] == CPU_TOKENS and values(1e9, gpu=True)["data.max-tokens"] == GPU_TOKENS
    assert values(1e9, positions=128)["data.max-tokens"] == 128
    assert values(1e9, positions=None)["data.max-tokens"] == CPU_TOKENS
