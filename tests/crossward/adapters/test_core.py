"""A trained core between frozen bases: starts as the base model, trains R alone, leaves as an ordinary PEFT adapter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from client_app.training.learner import LoraLearner, adapted_model
from crossward.adapters import (
    AdapterError,
    BaseModel,
    Layout,
    LoraSettings,
    ModelConfig,
    attach_lora,
    detach_lora,
    layout_of,
    load_adapter,
    load_base,
    read_vector,
    save_adapter,
    write_vector,
)
from crossward.adapters.core import lora_layers
from crossward.adapters.sensitivity import block_sensitivity
from crossward.config.schedule import Schedule
from crossward.config.train_settings import TrainSettings
from data import DataConfig, load_hospitals

IDS = torch.tensor([[0, 40, 41, 42, 43, 44]])
CORE = LoraSettings(rank=4, factors="core")
WEIGHTS = "adapter_model.safetensors"
Q = "base_model.model.model.layers.0.self_attn.q_proj."
# peft 0.21 asks transformers 5 for a property under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


def _tuned(base: BaseModel, settings: LoraSettings = CORE) -> tuple[Any, Layout]:
    model = attach_lora(base, settings, 1)
    layout = layout_of(model, base, settings)
    noise = np.random.default_rng(2).standard_normal(layout.total, dtype=np.float32)
    write_vector(model, layout, noise * np.float32(0.02))
    return model, layout


def _step(model: Any, **batch: Any) -> float:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    loss = model(**batch).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


@torch.no_grad()
def test_starts_as_the_base_model_and_detaches_to_it(base: BaseModel) -> None:
    before = base.model(IDS).logits
    names = [name for name, _ in base.model.named_modules()]
    model = attach_lora(base, CORE, 1)
    assert torch.equal(model(IDS).logits, before)
    layout = layout_of(model, base, CORE)
    write_vector(model, layout, np.full(layout.total, 0.05, np.float32))
    assert not torch.allclose(model(IDS).logits, before, atol=1e-2)
    detach_lora(model)
    assert torch.equal(base.model(IDS).logits, before)
    assert [name for name, _ in base.model.named_modules()] == names
    assert not any(parameter.requires_grad for parameter in base.model.parameters())


def test_blocks_are_the_cores_and_nothing_else_has_a_gradient(base: BaseModel) -> None:
    model = attach_lora(base, CORE, 1)
    layout = layout_of(model, base, CORE)
    assert layout.total == 4 * 7 * 4 * 4
    assert layout.blocks[0].name == "model.layers.0.self_attn.q_proj.lora_core.weight"
    assert {block.shape for block in layout.blocks} == {(4, 4)}
    frozen = {n: t.clone() for n, t in model.state_dict().items() if ".core." not in n}
    with model.disable_adapter():  # when it ends, peft turns gradients on for every factor
        pass
    _step(model, input_ids=IDS, labels=IDS)
    assert sum(parameter.requires_grad for parameter in model.parameters()) == len(layout.blocks)
    assert [n for n, t in model.state_dict().items() if n in frozen and not torch.equal(t, frozen[n])] == []
    moved = np.abs(read_vector(model, layout))
    assert (moved > 0.009).mean() > 0.9  # a first step of AdamW moves every value by the learning rate
    assert moved.max() < 0.0101


def test_the_update_is_linear_in_the_vector(base: BaseModel) -> None:
    """What an average of A and B is not: the average of two cores is the average of two updates."""
    model, layout = _tuned(base)
    layer = dict(lora_layers(model))["model.layers.1.mlp.down_proj"]
    one = read_vector(model, layout)
    other = np.random.default_rng(3).standard_normal(layout.total, dtype=np.float32)

    def update(vector: np.ndarray) -> torch.Tensor:
        write_vector(model, layout, vector)
        delta: torch.Tensor = layer.get_delta_weight("default")
        return delta.detach().clone()

    assert torch.allclose(update((one + other) / 2), (update(one) + update(other)) / 2, atol=1e-5)
    assert update(one).abs().max() > 1e-3


def test_vectors_come_back_in_the_layouts_order(base: BaseModel) -> None:
    model, layout = _tuned(base)
    vector = np.random.default_rng(4).standard_normal(layout.total, dtype=np.float32)
    write_vector(model, layout, vector)
    assert np.array_equal(read_vector(model, layout), vector)
    block = layout.blocks[9]
    live = dict(lora_layers(model))[block.name.removesuffix(".lora_core.weight")].lora_B["default"].core.weight
    assert np.array_equal(live.detach().numpy().ravel(), vector[block.offset : block.offset + block.size])


@pytest.mark.parametrize("targets", ["all-linear", "q_proj,down_proj"])
def test_plain_peft_gives_the_same_logits(base: BaseModel, tmp_path: Path, targets: str) -> None:
    model, layout = _tuned(base, LoraSettings(rank=4, alpha=10.0, factors="core", target_modules=targets))
    save_adapter(model, tmp_path / "adapter", layout)
    plain = peft.PeftModel.from_pretrained(load_base(ModelConfig(device="cpu")).model, tmp_path / "adapter").eval()
    with torch.no_grad():
        expected = model(IDS).logits
        assert not torch.allclose(expected, load_base(ModelConfig(device="cpu")).model(IDS).logits, atol=0.1)
        assert torch.allclose(plain(IDS).logits, expected, atol=1e-4)
        assert torch.allclose(plain.merge_and_unload()(IDS).logits, expected, atol=1e-4)
    kinds = {key.rsplit(".", 2)[1] for key in load_file(tmp_path / "adapter" / WEIGHTS)}
    assert kinds == {"lora_A", "lora_B"}
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 4, 10)


def test_a_saved_adapter_gives_its_cores_back(base: BaseModel, tmp_path: Path) -> None:
    model, layout = _tuned(base)
    saved = read_vector(model, layout)
    save_adapter(model, tmp_path, layout)
    write_vector(model, layout, np.zeros(layout.total, np.float32))
    load_adapter(model, tmp_path, layout)
    assert np.allclose(read_vector(model, layout), saved, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("key", "change", "part"),
    [
        (f"{Q}lora_B.weight", lambda t: t + 0.1 * torch.eye(*t.shape), r"q_proj.lora_B.* no B0 R .*'both' or 'b'"),
        (f"{Q}lora_B.weight", lambda t: t * float("nan"), "q_proj.lora_B.*not finite"),
        (f"{Q}lora_A.weight", lambda t: t + 1e-6, "frozen factor.*q_proj.lora_A.*other bases"),
        (f"{Q}lora_B.weight", lambda t: t[:, :2].clone(), r"\[128, 2\], not \[128, 4\]"),
    ],
)
def test_an_adapter_that_is_no_core_is_refused(
    base: BaseModel, tmp_path: Path, key: str, change: Callable[[torch.Tensor], torch.Tensor], part: str
) -> None:
    model, layout = _tuned(base)
    save_adapter(model, tmp_path, layout)
    tensors = load_file(tmp_path / WEIGHTS)
    save_file(tensors | {key: change(tensors[key])}, tmp_path / WEIGHTS)
    before = read_vector(model, layout)
    with pytest.raises(AdapterError, match=part):
        load_adapter(model, tmp_path, layout)
    assert np.array_equal(read_vector(model, layout), before)


def test_other_settings_have_another_layout(base: BaseModel) -> None:
    model, layout = _tuned(base)
    for wrong in (LoraSettings(rank=4), LoraSettings(rank=4, factors="b"), LoraSettings(rank=8, factors="core")):
        with pytest.raises(AdapterError, match="settings"):
            layout_of(model, base, wrong)
    detach_lora(model)
    assert layout_of(attach_lora(base, CORE, seed=2), base, CORE) == layout  # nothing is drawn


def test_a_rank_beyond_a_layers_is_refused_and_the_base_stays_whole(base: BaseModel) -> None:
    with pytest.raises(AdapterError, match=r"lora.rank = 65: .*k_proj is \[64, 128\]"):
        attach_lora(base, LoraSettings(rank=65, factors="core"), 1)
    attach_lora(base, CORE, 1)


def test_conv1d_layers_train_and_are_exported(
    tmp_path: Path, save_tokenizer: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = {"vocab_size": 264, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    torch.manual_seed(1)
    transformers.GPT2LMHeadModel(transformers.GPT2Config(**size, eos_token_id=0, bos_token_id=0)).save_pretrained(
        tmp_path / "model"
    )
    save_tokenizer(tmp_path / "model")
    config = ModelConfig(name=str(tmp_path / "model"), device="cpu")
    model, layout = _tuned(load_base(config))
    layer = dict(lora_layers(model))["transformer.h.0.attn.c_attn"]
    weight = layer.get_base_layer().weight.detach()  # [in, out], the other way round than a Linear
    a = layer.lora_A["default"].weight
    assert torch.allclose((weight.T @ a.T).norm(dim=0), torch.linalg.svdvals(weight)[:4], rtol=1e-3)
    losses = [_step(model, input_ids=IDS, labels=IDS) for _ in range(2)]
    assert losses[1] < losses[0]
    save_adapter(model, tmp_path / "adapter", layout)
    plain = peft.PeftModel.from_pretrained(load_base(config).model, tmp_path / "adapter").eval()
    with torch.no_grad():
        assert torch.allclose(plain(IDS).logits, model.eval()(IDS).logits, atol=1e-4)


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_a_quantised_base_trains_and_shares_bases(base: BaseModel, tmp_path: Path, quantization: str) -> None:
    from crossward.adapters import bases

    small = load_base(ModelConfig(device="cpu", quantization=quantization))
    with torch.no_grad():
        before = small.model(IDS).logits
        model = attach_lora(small, CORE, 1)
        assert torch.equal(model(IDS).logits, before)
    own = layout_of(model, small, CORE)
    losses = [_step(model, input_ids=IDS, labels=IDS) for _ in range(2)]
    assert losses[1] < losses[0]
    detach_lora(model)
    assert layout_of(attach_lora(base, CORE, 1), base, CORE).fingerprint != own.fingerprint  # its weights differ
    bases.make_file(tmp_path / "bases", ModelConfig(device="cpu"), LoraSettings(rank=4, factors="core"))
    handed = LoraSettings(rank=4, factors="core", bases=str(tmp_path / "bases"))
    there = layout_of(attach_lora(small, handed, 1), small, handed)
    whole = load_base(ModelConfig(device="cpu"))
    assert layout_of(attach_lora(whole, handed, 1), whole, handed) == there


def test_half_precision_autocast_and_checkpointing_leave_a_float32_core() -> None:
    base = load_base(ModelConfig(device="cpu", dtype="bfloat16"))
    model: Any = attach_lora(base, LoraSettings(rank=4, factors="core", dropout=0.1), 1)
    model.train()
    model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
    with torch.autocast("cpu", torch.bfloat16):
        model(IDS, labels=IDS, use_cache=False).loss.backward()
    grads = [p.grad for p in model.parameters() if p.requires_grad]
    assert {g.dtype for g in grads} == {torch.float32}
    assert all(g.any() for g in grads)


def test_the_learner_trains_it_and_a_rerun_is_the_same() -> None:
    data = DataConfig(synthetic_patients=24, max_tokens=64, min_patients=2)
    adapted = adapted_model(ModelConfig(device="cpu"), LoraSettings(rank=16, factors="core"), 0)
    schedule = Schedule(versions=2, local_steps=8, peak=1e-2)
    learner = LoraLearner(adapted, load_hospitals(data, 3)[0], data, schedule, TrainSettings(batch_size=4))
    assert not learner.initial().any()
    got = learner.train(learner.initial(), 0, 1)
    again = learner.train(learner.initial(), 0, 1)
    assert got.vector.tobytes() == again.vector.tobytes()
    assert np.abs(got.vector).max() <= schedule.value_range(0)  # nothing for the public range to clip
    measured = learner.evaluate({"base": learner.initial(), "tuned": got.vector})
    assert measured["tuned"].loss < measured["base"].loss - 0.05


def test_the_sensitivity_of_cores_can_be_measured(base: BaseModel) -> None:
    model, layout = _tuned(base)
    texts = torch.from_numpy(np.random.default_rng(5).integers(3, 400, (12, 24)))
    batch = {"input_ids": texts, "attention_mask": torch.ones_like(texts)}
    scores = block_sensitivity(model, layout, [batch], seed=1)
    assert scores.shape == (len(layout.blocks),)
    assert 0 < scores.max() <= 1
