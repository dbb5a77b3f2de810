"""Adapter files: what plain PEFT reads, and everything else refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, save, save_file

from crossward.adapters import (
    AdapterError,
    BaseModel,
    Layout,
    LoraSettings,
    ModelConfig,
    attach_lora,
    layout_of,
    load_adapter,
    load_base,
    read_vector,
    save_adapter,
    write_vector,
)

IDS = torch.tensor([[0, 40, 41, 42, 43, 44]])
# peft 0.21 asks transformers 5 for a property under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def _tuned(base: BaseModel, settings: LoraSettings, seed: int = 1) -> tuple[Any, Layout]:
    model = attach_lora(base, settings, seed)
    layout = layout_of(model, base, settings)
    noise = np.random.default_rng(2).standard_normal(layout.total, dtype=np.float32)
    write_vector(model, layout, read_vector(model, layout) + noise * np.float32(0.1))
    return model, layout


@pytest.mark.parametrize("factors", ["both", "b"])
@pytest.mark.parametrize("targets", ["all-linear", "q_proj,down_proj"])
def test_plain_peft_gives_the_same_logits(base: BaseModel, tmp_path: Path, factors: str, targets: str) -> None:
    settings = LoraSettings(rank=4, alpha=10.0, factors=factors, target_modules=targets)
    model, layout = _tuned(base, settings)
    save_adapter(model, tmp_path / "adapter", layout)
    assert sorted(path.name for path in (tmp_path / "adapter").iterdir()) == [CONFIG, WEIGHTS]
    plain = peft.PeftModel.from_pretrained(load_base(ModelConfig(device="cpu")).model, tmp_path / "adapter").eval()
    auto = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter", dtype=torch.float32).eval()
    with torch.no_grad():
        expected = model(IDS).logits
        assert not torch.allclose(expected, load_base(ModelConfig(device="cpu")).model(IDS).logits, atol=0.1)
        assert torch.equal(plain(IDS).logits, expected)
        assert torch.equal(auto(IDS).logits, expected)
    with safe_open(tmp_path / "adapter" / WEIGHTS, framework="pt") as file:
        assert file.metadata()["crossward_layout"] == layout.fingerprint


@pytest.mark.parametrize("factors", ["both", "b"])
def test_what_was_saved_is_loaded(base: BaseModel, tmp_path: Path, factors: str) -> None:
    settings = LoraSettings(rank=2, factors=factors)
    model, layout = _tuned(base, settings)
    saved = read_vector(model, layout)
    save_adapter(model, tmp_path, layout)
    write_vector(model, layout, np.zeros(layout.total, np.float32))
    load_adapter(model, tmp_path, layout)
    assert np.array_equal(read_vector(model, layout), saved)


def test_an_adapter_that_peft_saved_is_loaded(base: BaseModel, tmp_path: Path) -> None:
    model, layout = _tuned(base, LoraSettings(rank=2))
    saved = read_vector(model, layout)
    model.save_pretrained(tmp_path, save_embedding_layers=False)
    write_vector(model, layout, np.zeros(layout.total, np.float32))
    load_adapter(model, tmp_path, layout)
    assert np.array_equal(read_vector(model, layout), saved)


def test_a_hub_model_is_named_as_such(base: BaseModel, tmp_path: Path) -> None:
    import dataclasses

    named = dataclasses.replace(base, source="group/model", revision="v1")
    model, layout = _tuned(named, LoraSettings(rank=2))
    save_adapter(model, tmp_path, layout)
    config = json.loads((tmp_path / CONFIG).read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("group/model", "v1")
    assert config["inference_mode"] is True


def test_saving_again_replaces_whole_files(base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, layout = _tuned(base, LoraSettings(rank=2))
    save_adapter(model, tmp_path, layout)
    first = (tmp_path / WEIGHTS).read_bytes()
    write_vector(model, layout, np.ones(layout.total, np.float32))

    def no_space(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", no_space)
        with pytest.raises(AdapterError, match="No space"):
            save_adapter(model, tmp_path, layout)
    assert (tmp_path / WEIGHTS).read_bytes() == first
    save_adapter(model, tmp_path, layout)
    assert (tmp_path / WEIGHTS).read_bytes() != first
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG, WEIGHTS]


def test_an_adapter_from_elsewhere_is_not_replaced(base: BaseModel, tmp_path: Path) -> None:
    model, layout = _tuned(base, LoraSettings(rank=2))
    save_adapter(model, tmp_path, layout)
    ours = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    theirs = save(load(ours[WEIGHTS]), metadata={"format": "pt"})
    for files in ({CONFIG: ours[CONFIG], WEIGHTS: theirs}, {CONFIG: b"{}"}, {WEIGHTS: b"rubbish"}):
        for path in tmp_path.iterdir():
            path.unlink()
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        with pytest.raises(AdapterError, match="an adapter that this program did not write"):
            save_adapter(model, tmp_path, layout)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    (tmp_path / WEIGHTS).unlink()
    (tmp_path / CONFIG).write_bytes(ours[CONFIG])  # as an interrupted save leaves it
    save_adapter(model, tmp_path, layout)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == ours


def test_values_that_are_not_finite_are_not_saved(base: BaseModel, tmp_path: Path) -> None:
    model, layout = _tuned(base, LoraSettings(rank=2))
    next(p for p in model.parameters() if p.requires_grad).data[0, 0] = float("nan")
    with pytest.raises(AdapterError, match="not finite"):
        save_adapter(model, tmp_path / "adapter", layout)
    assert not (tmp_path / "adapter").exists()


def _edit(
    change: Callable[[dict[str, torch.Tensor]], Any], keep_layout: bool = False
) -> Callable[[Path, Layout], None]:
    def edit(folder: Path, layout: Layout) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        metadata = {"format": "pt"} | ({"crossward_layout": layout.fingerprint} if keep_layout else {})
        save_file(tensors, folder / WEIGHTS, metadata=metadata)

    return edit


def _set(**fields: Any) -> Callable[[Path, Layout], None]:
    def edit(folder: Path, _: Layout) -> None:
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | fields))

    return edit


A0 = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
B0 = A0.replace("lora_A", "lora_B")


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda f, _: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:5000]), "cannot be read"),
        (lambda f, _: (f / WEIGHTS).write_bytes(b"\x80\x04pickle"), "cannot be read"),
        (lambda f, _: (f / WEIGHTS).unlink(), "cannot be read"),
        (lambda f, _: (f / CONFIG).write_text("{"), "cannot be read"),
        (lambda f, _: (f / CONFIG).write_text("[]"), "no JSON object"),
        (_edit(lambda t: t.pop(B0), keep_layout=True), "lacks 1 keys.*lora_B"),
        (_edit(lambda t: t.update({"base_model.model.lm_head.weight": t[A0].clone()})), "1 unexpected.*lm_head"),
        (_edit(lambda t: t.update({B0: t[B0][:, :1].clone()})), r"\[128, 1\], not \[128, 2\]"),
        (_edit(lambda t: t.update({B0: t[B0].long()})), "int64"),
        (_edit(lambda t: t[B0].fill_(float("inf")), keep_layout=True), "q_proj.lora_B.*inf"),
        (_edit(lambda t: t[A0].add_(1e-6)), "frozen factor.*q_proj.lora_A"),
        (_set(r=4), "r is 4"),
        (_set(lora_alpha=3), "lora_alpha is 3"),
        (_set(use_rslora=True), "use_rslora"),
        (_set(peft_type="IA3"), "peft_type"),
    ],
)
def test_spoilt_adapters_are_refused_and_nothing_is_loaded(
    base: BaseModel, tmp_path: Path, spoil: Callable[[Path, Layout], None], part: str
) -> None:
    model, layout = _tuned(base, LoraSettings(rank=2, factors="b"))
    save_adapter(model, tmp_path, layout)
    write_vector(model, layout, np.zeros(layout.total, np.float32))
    spoil(tmp_path, layout)
    with pytest.raises(AdapterError, match=part):
        load_adapter(model, tmp_path, layout)
    assert not read_vector(model, layout).any()


def test_an_adapter_of_another_layout_is_refused(base: BaseModel, tmp_path: Path) -> None:
    model, layout = _tuned(base, LoraSettings(rank=2), seed=1)
    save_adapter(model, tmp_path, layout)
    other = load_base(ModelConfig(device="cpu"))
    stranger, strange = _tuned(other, LoraSettings(rank=2), seed=2)
    with pytest.raises(AdapterError, match="another base model, tokenizer, seed"):
        load_adapter(stranger, tmp_path, strange)
    with pytest.raises(AdapterError, match="another"):
        save_adapter(stranger, tmp_path / "b", layout_of_other(model, base))


def layout_of_other(model: Any, base: BaseModel) -> Layout:
    import dataclasses

    layout = layout_of(model, base, LoraSettings(rank=2))
    first = dataclasses.replace(layout.blocks[0], name="model.layers.99.lora_A.weight")
    return dataclasses.replace(layout, blocks=(first, *layout.blocks[1:]))


def test_the_same_adapter_is_the_same_bytes_every_time(base: BaseModel, tmp_path: Path) -> None:
    """The order in which safetensors itself writes metadata differs from call to call."""
    model, layout = _tuned(base, LoraSettings(rank=1))
    found = set()
    for number in range(12):
        save_adapter(model, tmp_path / str(number), layout)
        found.add((tmp_path / str(number) / WEIGHTS).read_bytes())
    assert len(found) == 1
