"""LoRA factors: the same numbers everywhere, float32, nothing else trainable, generators left alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from crossward.adapters import (
    AdapterError,
    BaseModel,
    LoraSettings,
    ModelConfig,
    attach_lora,
    detach_lora,
    layout_of,
    load_base,
    read_vector,
)
from crossward.adapters.lora import factor_parameters, initial_factor

IDS = torch.tensor([[0, 40, 41, 42, 43, 44]])


def test_initial_factor_is_pinned() -> None:
    """These very numbers are part of the agreement between nodes: a change breaks running consortia."""
    factor = initial_factor("block", (2, 16), 7)
    assert factor.dtype == np.float32
    assert factor.shape == (2, 16)
    assert factor[0, :3].tolist() == PINNED
    large = initial_factor("block", (8, 4096), 7) * np.sqrt(np.float32(4096))
    assert abs(large.mean()) < 0.02
    assert abs(large.std() - 1 / np.sqrt(3)) < 0.01
    assert 0.99 < np.abs(large).max() <= 1
    assert not np.array_equal(factor, initial_factor("block", (2, 16), 8))
    assert not np.array_equal(factor, initial_factor("other", (2, 16), 7))


PINNED = [0.0821087658405304, -0.14988797903060913, -0.0922357439994812]


def test_same_seed_same_factors_whatever_the_generators(base: BaseModel) -> None:
    settings = LoraSettings()
    torch.manual_seed(5)
    model = attach_lora(base, settings, seed=1)
    layout = layout_of(model, base, settings)
    first = read_vector(model, layout)
    detach_lora(model)
    torch.manual_seed(6)
    again = attach_lora(base, settings, seed=1)
    assert np.array_equal(read_vector(again, layout), first)
    assert layout_of(again, base, settings) == layout
    detach_lora(again)
    other = attach_lora(base, settings, seed=2)
    assert not np.array_equal(read_vector(other, layout), first)
    assert layout_of(other, base, settings).fingerprint != layout.fingerprint


def test_global_generators_are_left_alone(base: BaseModel) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    attach_lora(base, LoraSettings(), seed=1)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == state[1:]  # type: ignore[index]


def test_starts_as_the_base_model_and_detaches_to_it(base: BaseModel) -> None:
    with torch.no_grad():
        before = base.model(IDS).logits
        model = attach_lora(base, LoraSettings(), seed=1)
        assert torch.equal(model(IDS).logits, before)
        for name, parameter in factor_parameters(model):
            if ".lora_B." in name:
                parameter.fill_(0.1)
        assert not torch.allclose(model(IDS).logits, before, atol=1e-2)
        detach_lora(model)
        assert torch.equal(base.model(IDS).logits, before)
    assert not any(parameter.requires_grad for parameter in base.model.parameters())


@pytest.mark.parametrize("factors", ["both", "b"])
def test_only_the_factors_that_travel_are_trained(base: BaseModel, factors: str) -> None:
    settings = LoraSettings(factors=factors)
    model = attach_lora(base, settings, seed=1)
    layout = layout_of(model, base, settings)
    trained = {n for n, p in factor_parameters(model) if p.requires_grad}
    assert trained == {block.name for block in layout.blocks}
    assert len(trained) == sum(parameter.requires_grad for parameter in model.parameters())
    assert any(".lora_A." in name for name in trained) == (factors == "both")
    assert layout.total == {"both": 77824, "b": 40960}[factors]
    frozen = {n: p.detach().clone() for n, p in model.named_parameters() if not p.requires_grad}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(2):
        model(IDS, labels=IDS).loss.backward()
        optimizer.step()
    changed = [n for n, p in model.named_parameters() if n in frozen and not torch.equal(p, frozen[n])]
    assert not changed
    assert read_vector(model, layout).any()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_factors_are_float32_on_a_half_precision_base(dtype: str) -> None:
    base = load_base(ModelConfig(device="cpu", dtype=dtype))
    assert base.model.dtype == getattr(torch, dtype)
    full = load_base(ModelConfig(device="cpu", dtype="float32"))
    settings = LoraSettings()
    model, reference = attach_lora(base, settings, seed=1), attach_lora(full, settings, seed=1)
    assert {p.dtype for _, p in factor_parameters(model)} == {torch.float32}
    layout = layout_of(model, base, settings)
    assert layout == layout_of(reference, full, settings)
    assert np.array_equal(read_vector(model, layout), read_vector(reference, layout))
    model(IDS, labels=IDS).loss.backward()
    assert all(p.grad.dtype == torch.float32 for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("targets", "part"),
    [
        ("q_proj,qproj", "'qproj': the model has no such module.*q_proj"),
        ("embed_tokens", "no linear layer"),
        ("all-linear,q_proj", "'all-linear': the model has no such module"),
    ],
)
def test_unknown_targets_are_refused_and_the_base_stays_whole(base: BaseModel, targets: str, part: str) -> None:
    with pytest.raises(AdapterError, match=part):
        attach_lora(base, LoraSettings(target_modules=targets), seed=1)
    attach_lora(base, LoraSettings(), seed=1)


def test_attaching_twice_is_refused(base: BaseModel) -> None:
    attach_lora(base, LoraSettings(), seed=1)
    with pytest.raises(AdapterError, match="detach_lora"):
        attach_lora(base, LoraSettings(), seed=1)


@pytest.mark.parametrize("alpha", [10.0, 10])
def test_scale_is_alpha_over_rank(base: BaseModel, alpha: float) -> None:
    model = attach_lora(base, LoraSettings(rank=4, alpha=alpha), seed=1)
    layer = model.get_submodule("base_model.model.model.layers.0.self_attn.q_proj")
    assert layer.scaling["default"] == 2.5  # type: ignore[index,union-attr]
