"""Mixtures of experts: what 'all-linear' and names take in, that every expert has factors, and what is refused."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from crossward.adapters import (
    AdapterError,
    BaseModel,
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
from crossward.adapters.sensitivity import block_sensitivity
from crossward.adapters.targets import adapted_weights
from tests.crossward.adapters.mixtures import KINDS, save_mixture

IDS = torch.arange(5, 21)[None]
SETTINGS = LoraSettings(rank=2, alpha=8.0)
# of the second layer, which has experts in all of them: what has factors, and the numbers of experts
WANTED = {
    "Mixtral": {
        **dict.fromkeys([f"self_attn.{n}_proj" for n in "qkvo"], 1),
        "mlp.experts.gate_up_proj": 4,
        "mlp.experts.down_proj": 4,
    },
    "Qwen3Moe": {
        **dict.fromkeys([f"self_attn.{n}_proj" for n in "qkvo"], 1),
        "mlp.experts.gate_up_proj": 4,
        "mlp.experts.down_proj": 4,
    },
    "DeepseekV3": {
        **dict.fromkeys([f"self_attn.{n}" for n in ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj")], 1),
        "self_attn.o_proj": 1,
        "mlp.experts.gate_up_proj": 4,
        "mlp.experts.down_proj": 4,
        **dict.fromkeys([f"mlp.shared_experts.{n}_proj" for n in ("gate", "up", "down")], 1),
    },
    "GraniteMoe": {
        **dict.fromkeys([f"self_attn.{n}_proj" for n in "qkvo"], 1),
        "block_sparse_moe.experts.gate_up_proj": 4,
        "block_sparse_moe.experts.down_proj": 4,
    },
    "Llama4Text": {
        **dict.fromkeys([f"self_attn.{n}_proj" for n in "qkvo"], 1),
        "feed_forward.experts.gate_up_proj": 4,
        "feed_forward.experts.down_proj": 4,
        **dict.fromkeys([f"feed_forward.shared_expert.{n}_proj" for n in ("gate", "up", "down")], 1),
    },
    "JetMoe": {
        "self_attention.kv_proj": 1,
        "self_attention.experts.router.layer": 1,  # a linear layer like others
        "self_attention.experts.input_linear": 4,
        "self_attention.experts.output_linear": 4,
        "mlp.router.layer": 1,
        "mlp.input_linear": 4,
        "mlp.output_linear": 4,
    },
}
DENSE = {  # of the first layer, where it is another
    "Qwen3Moe": {f"mlp.{n}_proj" for n in ("gate", "up", "down")},
    "DeepseekV3": {f"mlp.{n}_proj" for n in ("gate", "up", "down")},
}
Open = Callable[..., BaseModel]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: save_mixture(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture
def mixture(folders: dict[str, Path], save_tokenizer: Callable[[Path], None]) -> Open:
    """The base model of a kind, loaded afresh."""

    def opened(kind: str, **given: Any) -> BaseModel:
        save_tokenizer(folders[kind])
        return load_base(ModelConfig(**({"name": str(folders[kind]), "device": "cpu"} | given)))

    return opened


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=IDS).logits
    return found


def moved(model: Any, layout: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The model with other factors, B not zero; the vector of them."""
    vector = np.random.default_rng(3).normal(0.0, 0.2, layout.total).astype(np.float32)
    write_vector(model, layout, vector)
    return vector


@pytest.mark.parametrize("kind", KINDS)
def test_all_linear_takes_in_every_linear_layer_and_every_expert(
    mixture: Open, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "crossward.adapters")
    base = mixture(kind)
    model = attach_lora(base, SETTINGS, 3)
    layers = adapted_weights(model)
    second = {n.split("layers.1.")[1].removesuffix(".weight"): v for n, v in layers.items() if "layers.1." in n}
    assert {name: getattr(layer, "num_experts", 1) for name, layer in second.items()} == WANTED[kind]
    first = {n.split("layers.0.")[1].removesuffix(".weight") for n in layers if "layers.0." in n}
    attention = {name for name in WANTED[kind] if "attn" in name}
    assert first == (attention | DENSE[kind] if kind in DENSE else set(WANTED[kind]))
    assert len(layers) == len(first) + len(second)
    assert layout_of(model, base, SETTINGS).total == sum(p.numel() for p in model.parameters() if p.requires_grad)
    expected = caplog.messages[-1]
    assert f"factors on {len(layers)} weights" in expected
    for name, experts in WANTED[kind].items():
        assert re.search(rf"\d x {re.escape(name)}{r' .4 experts.' if experts == 4 else ''}(,|;)", expected), expected
    assert "embed_tokens" in expected.partition("without factors: ")[2]


@pytest.mark.parametrize("kind", KINDS)
def test_it_starts_as_the_base_trains_every_block_and_detaches(mixture: Open, kind: str) -> None:
    base = mixture(kind)
    before = logits(base.model)
    model: Any = attach_lora(base, SETTINGS, 3)
    layout = layout_of(model, base, SETTINGS)
    assert torch.equal(logits(model), before)
    moved(model, layout)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
    loss = model(input_ids=IDS, labels=IDS).loss
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters() if p.requires_grad)
    optimizer.step()
    assert model(input_ids=IDS, labels=IDS).loss < loss
    detach_lora(model)
    assert torch.equal(logits(base.model), before)
    again = attach_lora(base, SETTINGS, 3)
    assert layout_of(again, base, SETTINGS) == layout


@pytest.mark.parametrize("kind", ["Mixtral", "DeepseekV3", "Llama4Text"])
def test_an_experts_update_is_alpha_over_rank_times_its_own_b_times_its_own_a(mixture: Open, kind: str) -> None:
    base = mixture(kind)
    model = attach_lora(base, SETTINGS, 3)
    layout = layout_of(model, base, SETTINGS)
    vector = moved(model, layout)
    adapted = logits(model)
    names = {
        f"{layer.lora_A['default'].weight.data_ptr()}": name for name, layer in adapted_weights(model).items()
    }  # the weight that a block is of, whatever PEFT calls the layer
    blocks = {
        block.name: torch.from_numpy(vector[block.offset :][: block.size]).view(block.shape) for block in layout.blocks
    }
    pairs = {}
    for name, parameter in model.named_parameters():
        if ".lora_A." in name:
            key = name.removeprefix("base_model.model.").replace(".default", "")
            pairs[names[f"{parameter.data_ptr()}"]] = (blocks[key], blocks[key.replace("lora_A", "lora_B")])
    detach_lora(model)
    weights = dict(base.model.named_parameters())
    with torch.no_grad():
        for name, (a, b) in pairs.items():
            weight = weights[name]
            if weight.ndim == 2:
                weight += 4.0 * b @ a
                continue
            for expert in range(len(weight)):
                own_a, own_b = a.view(len(weight), 2, -1)[expert], b.view(b.shape[0], 2, len(weight))[:, :, expert]
                weight[expert] += 4.0 * own_b @ own_a
    assert torch.allclose(logits(base.model), adapted, atol=1e-4)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft 0.21, transformers 5
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_adapter_is_an_ordinary_one(mixture: Open, folders: dict[str, Path], tmp_path: Path, kind: str) -> None:
    base = mixture(kind)
    model = attach_lora(base, SETTINGS, 3)
    layout = layout_of(model, base, SETTINGS)
    vector = moved(model, layout)
    save_adapter(model, tmp_path, layout)
    with torch.no_grad():
        wanted = logits(model)
        plain = AutoModelForCausalLM.from_pretrained(folders[kind], dtype=torch.float32)
        assert torch.equal(logits(PeftModel.from_pretrained(plain, tmp_path).eval()), wanted)
    write_vector(model, layout, np.zeros_like(vector))
    load_adapter(model, tmp_path, layout)
    assert np.array_equal(read_vector(model, layout), vector)


@pytest.mark.parametrize("given", [{"dtype": "bfloat16"}, {"quantization": "4bit"}, {"quantization": "8bit"}])
def test_precision_changes_no_factor_and_no_layout(mixture: Open, given: dict[str, Any]) -> None:
    full, other = mixture("Mixtral"), mixture("Mixtral", **given)
    models = [attach_lora(base, SETTINGS, 3) for base in (full, other)]
    layouts = [layout_of(model, base, SETTINGS) for model, base in zip(models, (full, other), strict=True)]
    assert layouts[0] == layouts[1]
    assert np.array_equal(*(read_vector(model, layouts[0]) for model in models))
    model: Any = models[1]
    moved(model, layouts[1])
    model(input_ids=IDS, labels=IDS).loss.backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters() if p.requires_grad)


def test_a_alone_frozen_leaves_b_to_train(mixture: Open) -> None:
    settings = LoraSettings(rank=2, factors="b")
    base = mixture("Qwen3Moe")
    layout = layout_of(attach_lora(base, settings, 3), base, settings)
    assert {block.name.rpartition(".lora_")[2] for block in layout.blocks} == {"B.weight"}
    assert any(".experts." in block.name and block.shape[1] == 8 for block in layout.blocks)


@pytest.mark.parametrize(
    ("kind", "targets", "wanted"),
    [
        ("Mixtral", "q_proj", {"self_attn.q_proj"}),
        ("Mixtral", "experts.down_proj,v_proj", {"self_attn.v_proj", "mlp.experts.down_proj"}),
        ("DeepseekV3", "gate_proj", {"mlp.gate_proj", "mlp.shared_experts.gate_proj"}),
        ("DeepseekV3", "shared_experts.up_proj", {"mlp.shared_experts.up_proj"}),
        (
            "DeepseekV3",
            "down_proj",
            {"mlp.down_proj", "mlp.shared_experts.down_proj", "mlp.experts.down_proj"},
        ),
        ("Qwen3Moe", "gate_up_proj", {"mlp.experts.gate_up_proj"}),
    ],
)
def test_names_take_in_what_they_name(mixture: Open, kind: str, targets: str, wanted: set[str]) -> None:
    base, settings = mixture(kind), LoraSettings(rank=2, target_modules=targets)
    model = attach_lora(base, settings, 3)
    found = {re.sub(r"^.*layers\.\d\.", "", name).removesuffix(".weight") for name in adapted_weights(model)}
    assert found == wanted
    layout_of(model, base, settings)


@pytest.mark.parametrize(
    ("kind", "targets", "expected"),
    [
        ("Mixtral", "w1", "'w1': the model has no such module.*experts' weights .*mlp.experts.gate_up_proj"),
        ("Mixtral", "gate", "gate is no linear layer"),
        ("Llama4Text", "router", "router is no linear layer"),  # it derives from one
        ("Qwen3Moe", "experts", "experts is no linear layer"),
    ],
)
def test_what_cannot_be_adapted_is_refused_with_the_names_that_can(
    mixture: Open, kind: str, targets: str, expected: str
) -> None:
    base = mixture(kind)
    with pytest.raises(AdapterError, match=expected):
        attach_lora(base, LoraSettings(rank=2, target_modules=targets), 3)
    attach_lora(base, SETTINGS, 3)


def suggested(error: AdapterError) -> LoraSettings:
    """Settings with the modules that an error says to name."""
    named = re.search(r"lora\.target-modules = '([\w.,]+)'\.$|such as '([\w.,]+)'\.$", str(error))
    assert named is not None, error
    return LoraSettings(rank=2, target_modules=named[1] or named[2])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [{"factors": "core"}, {"dropout": 0.1}])
def test_what_experts_cannot_have_is_refused_and_what_can_is_named(
    mixture: Open, kind: str, given: dict[str, Any]
) -> None:
    base = mixture(kind)
    key = next(iter(given))
    with pytest.raises(AdapterError, match=rf"lora\.{key} = .*needs linear layers: .* takes in .*experts") as error:
        attach_lora(base, LoraSettings(rank=2, **given), 3)
    settings = LoraSettings(rank=2, target_modules=suggested(error.value).target_modules, **given)
    model = attach_lora(base, settings, 3)
    assert layout_of(model, base, settings).total
    assert not any(hasattr(layer, "parameter_name") for layer in adapted_weights(model).values())
    dense = {name for name in WANTED[kind] if WANTED[kind][name] == 1 and kind != "DeepseekV3"}
    assert dense <= {re.sub(r"^.*layers\.\d\.", "", n).removesuffix(".weight") for n in adapted_weights(model)}


def test_a_layer_that_peft_adapts_as_a_parameter_cannot_be_quantised(mixture: Open) -> None:
    base = mixture("DeepseekV3", quantization="4bit")
    with pytest.raises(AdapterError, match=r"takes in .*mlp.*model\.quantization to 'none'") as error:
        attach_lora(base, SETTINGS, 3)
    attach_lora(base, suggested(error.value), 3)


def test_what_peft_refuses_leaves_the_model_as_it_was(mixture: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from peft.tuners.lora.layer import ParamWrapper

    base = mixture("Mixtral")
    before, names = logits(base.model), [name for name, _ in base.model.named_parameters()]

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("no such parameter")

    with monkeypatch.context() as patch:
        patch.setattr(ParamWrapper, "update_layer", refuse)  # after the linear layers have theirs
        with pytest.raises(AdapterError, match=r"PEFT does not adapt 'all-linear' .*no such parameter"):
            attach_lora(base, SETTINGS, 3)
    assert [name for name, _ in base.model.named_parameters()] == names
    assert torch.equal(logits(base.model), before)
    assert torch.equal(logits(attach_lora(base, SETTINGS, 3)), before)


def test_the_sensitivity_of_experts_is_not_taken_for_none(mixture: Open) -> None:
    base = mixture("Mixtral")
    model = attach_lora(base, SETTINGS, 3)
    texts = [{"input_ids": IDS + i, "attention_mask": torch.ones_like(IDS)} for i in range(4)]
    with pytest.raises(AdapterError, match=r"experts.* cannot be measured\. Set encryption\.policy to 'all'"):
        block_sensitivity(model, layout_of(model, base, SETTINGS), texts, 0)
    detach_lora(model)
    settings = LoraSettings(rank=2, target_modules="q_proj,o_proj")
    model = attach_lora(base, settings, 3)
    assert len(block_sensitivity(model, layout_of(model, base, settings), texts, 0)) == 8
