"""The layout: contiguous, and a fingerprint that misses nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from crossward.adapters import AdapterError, BaseModel, Layout, LoraSettings, attach_lora, detach_lora, layout_of

SETTINGS = LoraSettings(rank=2)


def _layout(base: BaseModel, settings: LoraSettings = SETTINGS, seed: int = 1) -> Layout:
    model = attach_lora(base, settings, seed)
    layout = layout_of(model, base, settings)
    detach_lora(model)
    return layout


def test_blocks_are_contiguous_in_layer_order(base: BaseModel) -> None:
    layout = _layout(base)
    at = 0
    for block in layout.blocks:
        assert block.offset == at
        assert block.size == block.shape[0] * block.shape[1]
        at += block.size
    assert layout.total == at
    layers = [int(block.name.split(".")[2]) for block in layout.blocks]
    assert layers == sorted(layers)
    assert [block.name.split(".", 3)[3] for block in layout.blocks[:4]] == [
        "self_attn.q_proj.lora_A.weight",
        "self_attn.q_proj.lora_B.weight",
        "self_attn.k_proj.lora_A.weight",
        "self_attn.k_proj.lora_B.weight",
    ]
    assert len({block.name for block in layout.blocks}) == len(layout.blocks) == 4 * 7 * 2


@pytest.mark.parametrize(
    ("changed", "seed"),
    [
        ({"rank": 3}, 1),
        ({"alpha": 8.0}, 1),
        ({"factors": "b"}, 1),
        ({"target_modules": "q_proj"}, 1),
        ({"target_modules": "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"}, 1),
        ({}, 2),
    ],
)
def test_settings_and_seed_change_the_fingerprint(base: BaseModel, changed: dict[str, Any], seed: int) -> None:
    reference = _layout(base)
    assert _layout(base) == reference
    assert _layout(base, dataclasses.replace(SETTINGS, **changed), seed).fingerprint != reference.fingerprint


def test_seed_counts_where_a_is_frozen(base: BaseModel) -> None:
    settings = LoraSettings(rank=2, factors="b")
    one, two = _layout(base, settings, 1), _layout(base, settings, 2)
    assert one.blocks == two.blocks
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize("part", ["digest", "tokenizer_digest"])
def test_base_and_tokenizer_change_the_fingerprint(base: BaseModel, part: str) -> None:
    model = attach_lora(base, SETTINGS, 1)
    other = dataclasses.replace(base, **{part: "0" * 64})
    assert layout_of(model, other, SETTINGS).fingerprint != layout_of(model, base, SETTINGS).fingerprint


def test_training_settings_and_training_do_not_change_it(base: BaseModel) -> None:
    model = attach_lora(base, SETTINGS, 1)
    layout = layout_of(model, base, SETTINGS)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data.add_(1.0)
    assert layout_of(model, base, dataclasses.replace(SETTINGS, dropout=0.1)) == layout


@pytest.mark.parametrize("changed", [{"rank": 4}, {"factors": "b"}])
def test_settings_that_are_not_the_models_are_refused(base: BaseModel, changed: dict[str, Any]) -> None:
    model = attach_lora(base, SETTINGS, 1)
    with pytest.raises(AdapterError, match="settings"):
        layout_of(model, base, dataclasses.replace(SETTINGS, **changed))


def test_factors_of_unknown_origin_are_refused(base: BaseModel) -> None:
    model = attach_lora(base, SETTINGS, 1)
    del model.crossward_initial_factors
    with pytest.raises(AdapterError, match="attach_lora"):
        layout_of(model, base, SETTINGS)
