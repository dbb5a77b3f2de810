"""Factors <-> vector: lossless, in the layout's order, all or nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from crossward.adapters import (
    AdapterError,
    BaseModel,
    Block,
    LoraSettings,
    attach_lora,
    layout_of,
    read_vector,
    write_vector,
)

SETTINGS = LoraSettings(rank=2)


@pytest.mark.parametrize("factors", ["both", "b"])
def test_round_trip_is_lossless_and_ordered(base: BaseModel, factors: str) -> None:
    settings = LoraSettings(rank=2, factors=factors)
    model = attach_lora(base, settings, 1)
    layout = layout_of(model, base, settings)
    vector = np.random.default_rng(3).standard_normal(layout.total, dtype=np.float32)
    vector.flags.writeable = False
    write_vector(model, layout, vector)
    back = read_vector(model, layout)
    assert back.dtype == np.float32
    assert np.array_equal(back, vector)
    block = layout.blocks[5]
    live = dict(model.named_parameters())[f"base_model.model.{block.name.replace('.weight', '.default.weight')}"]
    expected = vector[block.offset : block.offset + block.size].reshape(block.shape)
    assert np.array_equal(live.detach().numpy(), expected)


def test_vectors_share_no_memory_with_the_model(base: BaseModel) -> None:
    model = attach_lora(base, SETTINGS, 1)
    layout = layout_of(model, base, SETTINGS)
    first = read_vector(model, layout)
    kept = first.copy()
    write_vector(model, layout, kept + np.float32(1))
    assert np.array_equal(first, kept)
    given = kept.copy()
    write_vector(model, layout, given)
    given += 1
    assert np.array_equal(read_vector(model, layout), kept)


def test_written_in_place_so_that_optimisers_keep_their_parameters(base: BaseModel) -> None:
    model = attach_lora(base, SETTINGS, 1)
    layout = layout_of(model, base, SETTINGS)
    before = [(id(p), p.data_ptr(), p.requires_grad) for p in model.parameters()]
    write_vector(model, layout, np.zeros(layout.total, np.float32))
    assert [(id(p), p.data_ptr(), p.requires_grad) for p in model.parameters()] == before


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda v: v[:-1], "float32 array"),
        (lambda v: v.astype(np.float64), "float64"),
        (lambda v: v.reshape(1, -1), "float32 array"),
        (lambda v: v.tolist(), "list"),
        (lambda v: np.where(np.arange(v.size) == v.size - 1, np.float32("nan"), v), r"layers\.3.*down_proj.*nan"),
        (lambda v: np.where(np.arange(v.size) == 0, np.float32("inf"), v), r"layers\.0.*q_proj.*inf"),
    ],
)
def test_unfit_vectors_are_refused_and_nothing_is_written(base: BaseModel, spoil: Any, part: str) -> None:
    model = attach_lora(base, SETTINGS, 1)
    layout = layout_of(model, base, SETTINGS)
    before = read_vector(model, layout)
    with pytest.raises(AdapterError, match=part):
        write_vector(model, layout, spoil(before + np.float32(1)))
    assert np.array_equal(read_vector(model, layout), before)


def test_the_layout_of_another_model_is_refused(base: BaseModel) -> None:
    model = attach_lora(base, SETTINGS, 1)
    layout = layout_of(model, base, SETTINGS)
    before = read_vector(model, layout)
    last = layout.blocks[-1]
    for wrong in (Block("nowhere", last.shape, last.offset, last.size), Block(last.name, (1, last.size), 0, last.size)):
        other = dataclasses.replace(layout, blocks=(*layout.blocks[:-1], wrong))
        with pytest.raises(AdapterError, match="another model"):
            write_vector(model, other, before + np.float32(1))
        with pytest.raises(AdapterError, match="another model"):
            read_vector(model, other)
    assert np.array_equal(read_vector(model, layout), before)
    assert torch.is_grad_enabled()
