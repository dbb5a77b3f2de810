"""Training a slice: the same function, the same gradients, fewer parameters; the rest stays as it is, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from crossward.adapters import BaseModel, Layout, LoraSettings, attach_lora, layout_of, read_vector, write_vector
from crossward.adapters.ranks import Ranks
from crossward.adapters.slices import trained_slice

IDS = torch.tensor([[0, 40, 41, 42, 43, 44]])
# peft 0.21 asks transformers 5 for a property under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


def tuned(base: BaseModel, factors: str) -> tuple[Any, Layout, np.ndarray]:
    settings = LoraSettings(rank=4, factors=factors, ranks="4,1", target_modules="q_proj,down_proj")
    model = attach_lora(base, settings, 1)
    layout = layout_of(model, base, settings)
    ranks = Ranks.of(layout.shapes, settings)
    assert ranks is not None
    write_vector(model, layout, np.random.default_rng(2).normal(0, 0.1, layout.total).astype(np.float32))
    return model, layout, ranks.components(slice(0, layout.total))


def gradients(model: Any) -> dict[str, torch.Tensor]:
    model(input_ids=IDS, labels=IDS).loss.backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.requires_grad}
    model.zero_grad()
    return found


def test_gradients_are_those_of_the_whole_adapter(base: BaseModel, factors: str) -> None:
    model, layout, components = tuned(base, factors)
    before, whole = model(input_ids=IDS).logits, gradients(model)
    with trained_slice(model, 2):
        assert torch.allclose(model(input_ids=IDS).logits, before, atol=1e-5)
        part = gradients(model)
    assert len(part) == len(whole)
    assert sum(grad.numel() for grad in part.values()) == (components < 2).sum() < layout.total
    for small, large in zip(part.values(), whole.values(), strict=True):
        rows, columns = small.shape
        assert torch.allclose(small, large[:rows, :columns], atol=1e-5) and small.abs().max() > 0


def test_only_the_slice_changes(base: BaseModel, factors: str) -> None:
    model, layout, components = tuned(base, factors)
    before, random = read_vector(model, layout), torch.get_rng_state()
    with trained_slice(model, 1):
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data.add_(1.0)
    after = read_vector(model, layout)
    assert np.array_equal(after[components >= 1], before[components >= 1])
    assert np.allclose(after[components < 1], before[components < 1] + 1.0)
    assert torch.equal(random, torch.get_rng_state())
    assert layout_of(model, base, LoraSettings(rank=4, factors=factors, target_modules="q_proj,down_proj")).blocks


def test_what_fails_leaves_the_model_whole(base: BaseModel) -> None:
    model, layout, _ = tuned(base, "both")
    before = read_vector(model, layout)
    with pytest.raises(RuntimeError, match="in between"), trained_slice(model, 1):
        raise RuntimeError("in between")
    assert np.array_equal(read_vector(model, layout), before)
    with trained_slice(model, 0):  # all components: nothing is taken apart
        assert np.array_equal(read_vector(model, layout), before)


@pytest.fixture(params=["both", "b", "core"])
def factors(request: pytest.FixtureRequest) -> str:
    """Which factors are trained."""
    return str(request.param)
