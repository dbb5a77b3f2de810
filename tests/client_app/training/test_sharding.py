"""A sharded base: what is parted and what stays whole. Two processes that share one are in ``group/test_ranks``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from client_app.training import learner
from client_app.training.head import CHUNK_VALUES
from client_app.training.losses import summed_loss, token_losses
from client_app.training.sharding import before_sharding, layers, shard
from crossward.adapters import AdapterError, LoraSettings, ModelConfig, attach_lora, layout_of, load_base, read_vector
from crossward.adapters import write_vector as write

LORA = LoraSettings(rank=2)
IDS = torch.arange(1, 25).view(2, 12)


@pytest.fixture(scope="module", autouse=True)
def alone_in_a_group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A process group of this process only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")
        patch.setattr(sys, "excepthook", sys.excepthook)  # torch puts its own there
        store = tmp_path_factory.mktemp("group") / "store"
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
        yield
        dist.destroy_process_group()


def attached() -> Any:
    base = load_base(ModelConfig(device="cpu"))
    return base, attach_lora(base, LORA, 0)


def test_the_base_is_parted_and_the_factors_stay_whole() -> None:
    base, model = attached()
    layout = layout_of(model, base, LORA)
    before, names = read_vector(model, layout), [n for n, _ in model.named_parameters()]
    wanted = model(input_ids=IDS).logits.detach()
    shard(model, "cpu")
    assert [n for n, _ in model.named_parameters()] == names
    for name, parameter in model.named_parameters():
        assert isinstance(parameter, DTensor) == (".lora_" not in name), name
        assert parameter.requires_grad == (".lora_" in name)
    assert read_vector(model, layout).tobytes() == before.tobytes()
    logits = model(input_ids=IDS).logits
    assert torch.allclose(logits, wanted, atol=1e-5)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in model.parameters() if p.requires_grad)
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal(layout.total, dtype=np.float32)
    write(model, layout, drawn)
    assert read_vector(model, layout).tobytes() == drawn.tobytes()


def test_losses_by_chunk_are_those_of_the_whole_base(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = {"input_ids": IDS, "labels": IDS, "attention_mask": torch.ones_like(IDS)}

    def found(model: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
        with torch.no_grad():
            measured = token_losses(model, batch)[0].sum()
        loss = summed_loss(model, batch)
        assert float(loss.detach()) == pytest.approx(float(measured), rel=1e-5)
        loss.backward()  # type: ignore[no-untyped-call]
        taken = [p.grad for p in model.parameters() if p.requires_grad and p.grad is not None]
        model.zero_grad()
        return measured, taken

    model = attached()[1]
    whole, gradients = found(model)
    shard(model, "cpu")
    monkeypatch.setitem(CHUNK_VALUES, "cpu", 7 * model.config.vocab_size)
    for _ in range(2):
        measured, taken = found(model)
        torch.testing.assert_close(measured, whole)
        for one, other in zip(taken, gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_layers_are_the_models_longest_list_of_one_kind() -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixed = torch.nn.ModuleList([torch.nn.ReLU(), *(torch.nn.Linear(1, 1) for _ in range(9))])
            self.experts = torch.nn.ModuleList([torch.nn.Linear(1, 1) for _ in range(2)])
            self.layers = torch.nn.ModuleList([torch.nn.Linear(1, 1) for _ in range(3)])

    model = Model()
    assert layers(model) == list(model.layers)
    assert layers(torch.nn.Linear(1, 1)) == []
    base = load_base(ModelConfig(device="cpu"))
    assert len(layers(base.model)) == base.model.config.num_hidden_layers


def test_a_model_for_the_cpu_is_loaded_as_it_is() -> None:
    for quantization in ("none", "4bit"):
        config = ModelConfig(device="cpu", quantization=quantization)
        assert before_sharding(config) == config


@pytest.mark.parametrize(
    ("capability", "asked", "becomes"),
    [((9, 0), "auto", "bfloat16"), ((7, 5), "auto", "float32"), ((9, 0), "float16", "float16")],
)
def test_a_model_for_a_gpu_is_loaded_on_the_cpu_in_that_gpus_precision(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], asked: str, becomes: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    given: Any = SimpleNamespace(device="cuda:1", quantization="none", dtype=asked)
    monkeypatch.setattr(
        "client_app.training.sharding.replace", lambda model, **new: SimpleNamespace(**vars(model) | new)
    )
    got = before_sharding(given)
    assert (got.device, got.dtype) == ("cpu", becomes)
    given.quantization = "4bit"
    assert before_sharding(given) is given


def test_an_8_bit_model_is_refused_with_what_to_do() -> None:
    with pytest.raises(AdapterError, match=r"'8bit'.*Use '4bit'.*node.sharding = 'none'"):
        before_sharding(ModelConfig(device="cpu", quantization="8bit"))


def test_a_sharded_learner_refuses_to_look_for_sensitive_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    adapted = learner.AdaptedModel(None, None, None, np.zeros(1, np.float32), sharded=True)
    made = object.__new__(learner.LoraLearner)
    made.adapted = adapted
    with pytest.raises(AdapterError, match="use policy 'all', or hold the base whole"):
        made.sensitive_blocks(0.3)
