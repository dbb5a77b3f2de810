"""A sequence's gradient is what a backward pass of it alone gives, and nothing of it is left on the shared model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from client_app.training.losses import token_losses
from crossward.adapters import (
    BaseModel,
    LoraSettings,
    ModelConfig,
    attach_lora,
    detach_lora,
    layout_of,
    load_base,
    write_vector,
)
from crossward.privacy.sample_gradients import SampleGradientError, sample_gradients
from tests.crossward.adapters.mixtures import save_mixture

LENGTHS = [19, 7, 12]


@pytest.fixture(scope="module")
def base(own_home: Path) -> Any:
    return load_base(ModelConfig(device="cpu"))


@pytest.fixture(params=["both", "b", "core"])
def model(base: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    settings = LoraSettings(rank=2, factors=request.param)
    model: Any = attach_lora(base, settings, 0)
    layout = layout_of(model, base, settings)
    write_vector(model, layout, 0.05 * np.random.default_rng(1).standard_normal(layout.total, dtype=np.float32))
    model.train()
    yield model
    detach_lora(model)


def batch(rows: list[int]) -> dict[str, torch.Tensor]:
    """The given of three sequences of different lengths, padded to the longest of those."""
    width = max(LENGTHS[row] for row in rows)
    ids, mask, labels = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(3))
    labels.fill_(-100)
    for at, row in enumerate(rows):
        length = LENGTHS[row]
        ids[at, :length] = torch.from_numpy(np.random.default_rng(row).integers(10, 2000, length))
        mask[at, :length], labels[at, 3:length] = 1, ids[at, 3:length]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def losses(model: Any, rows: list[int]) -> torch.Tensor:
    summed, predicted, _ = token_losses(model, batch(rows))  # float32, whatever the model is
    return summed.sum(1) / predicted.sum(1)


def trained(model: Any) -> list[torch.nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def test_they_are_those_of_single_backward_passes(model: Any) -> None:
    parameters = trained(model)
    model.double()  # so that other shapes of the same products round alike
    try:
        with sample_gradients(model, parameters) as taken:
            found = taken(losses(model, [0, 1, 2]))
        for row in range(3):
            alone = torch.autograd.grad(losses(model, [row])[0], parameters)
            for mine, wanted in zip(found, alone, strict=True):
                assert wanted.norm() > 0 and (mine[row] - wanted).norm() <= 1e-6 * wanted.norm()
    finally:
        model.float()


def test_nothing_is_left_on_the_model(model: Any) -> None:
    def traces() -> list[Any]:
        hooks = [(m, len(m._forward_hooks), len(m._backward_hooks), sorted(vars(m))) for m in model.modules()]
        return [*hooks, *(sorted(vars(p)) for p in model.parameters()), *(p.grad is None for p in model.parameters())]

    before, parameters = traces(), trained(model)
    losses(model, [0, 1]).sum().backward()
    plain = [p.grad.clone() for p in parameters if p.grad is not None]
    model.zero_grad()
    with sample_gradients(model, parameters) as taken:
        taken(losses(model, [0, 1]))
    assert traces() == before
    with pytest.raises(KeyError), sample_gradients(model, parameters):  # noqa: PT012 - what a broken-off pass leaves
        losses(model, [0, 1])  # a pass that comes to nothing leaves its activations
        raise KeyError
    assert traces() == before
    losses(model, [0, 1]).sum().backward()
    assert all(torch.equal(p.grad, was) for p, was in zip(parameters, plain, strict=True) if p.grad is not None)
    model.zero_grad()


def test_a_layer_that_joins_sequences_is_refused() -> None:
    class Joined(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x.flatten(0, 1)).view(len(x), -1).sum(1)

    model = Joined()
    expected = r"^layer layer \(its trained weight, of shape \[1, 3\]\) .* it joins"
    with sample_gradients(model, list(model.parameters())) as taken, pytest.raises(SampleGradientError, match=expected):
        taken(model(torch.ones(2, 4, 3)))


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Mixtures of experts, of which Jet's routers are linear layers that see all tokens of a batch in one row."""
    kinds = ("Mixtral", "JetMoe")
    folders = {kind: save_mixture(tmp_path_factory.mktemp(kind), kind, vocab_size=2048) for kind in kinds}
    return {kind: AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32) for kind, folder in folders.items()}


@contextlib.contextmanager
def adapted(model: Any, targets: str) -> Iterator[Any]:
    """The model with factors, in float32: grouped products take no float64."""
    base = BaseModel(model.requires_grad_(False).eval(), None, "mixture", "", "")
    found: Any = attach_lora(base, LoraSettings(rank=2, target_modules=targets), 0)
    try:
        for name, parameter in found.named_parameters():
            if ".lora_B." in name:
                torch.nn.init.normal_(parameter, std=0.2)
        yield found.train()
    finally:
        detach_lora(found)


@pytest.mark.parametrize(
    ("kind", "targets", "layer"),
    [
        ("Mixtral", "all-linear", "experts (its trained lora_A.weight, of shape [8, 32])"),
        ("Mixtral", "experts.down_proj", "experts (its trained lora_A.weight, of shape [8, 48])"),
        ("JetMoe", "mlp.router.layer", "router.layer (its trained lora_A.weight, of shape [2, 32])"),
    ],
)
def test_a_refusal_names_the_layer_and_what_is_trained_in_it(
    mixtures: dict[str, Any], kind: str, targets: str, layer: str
) -> None:
    with (
        adapted(mixtures[kind], targets) as model,
        sample_gradients(model, trained(model)) as taken,
        pytest.raises(SampleGradientError) as error,
    ):
        taken(losses(model, [0, 1, 2]))
    assert str(error.value).startswith(
        f"layer model.layers.0.mlp.{layer} has no gradient for each sequence by itself"
    ), error.value
    assert "lora.target-modules" in str(error.value)


def test_attention_beside_experts_tells_sequences_apart(mixtures: dict[str, Any]) -> None:
    """Experts see tokens of all sequences at once, but none of them enters another's gradient."""
    with adapted(mixtures["Mixtral"], "q_proj,k_proj,v_proj,o_proj") as model:
        parameters = trained(model)
        with sample_gradients(model, parameters) as taken:
            found = taken(losses(model, [0, 1, 2]))
        for row in range(3):
            alone = torch.autograd.grad(losses(model, [row])[0], parameters)
            for mine, wanted in zip(found, alone, strict=True):
                assert wanted.norm() > 0 and (mine[row] - wanted).norm() <= 1e-4 * wanted.norm()
