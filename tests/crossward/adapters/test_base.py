"""Loading base models: other architectures, digests that mean something, failures that say what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from crossward.adapters import AdapterError, LoraSettings, ModelConfig, attach_lora, layout_of, load_base, read_vector
from crossward.adapters import base as base_module

SMALL = {
    "vocab_size": 264,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": None,
}
GPT2 = {"vocab_size": 264, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "eos_token_id": 0}
Save = Callable[[Path], None]


def _save(folder: Path, kind: str, save_tokenizer: Save, **extra: Any) -> Path:
    size = GPT2 | {"bos_token_id": 0} if kind == "GPT2" else SMALL
    config = getattr(transformers, f"{kind}Config")(**(size | extra))
    torch.manual_seed(1)
    model = getattr(transformers, "GPT2LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM")(config)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("Qwen2", {"tie_word_embeddings": False}),
        ("Mistral", {"sliding_window": 16}),
        ("Gemma", {"head_dim": 8}),
        ("GPT2", {}),
        ("Llama", {"tie_word_embeddings": True}),
    ],
)
def test_other_architectures_train(tmp_path: Path, save_tokenizer: Save, kind: str, extra: dict[str, Any]) -> None:
    folder = _save(tmp_path / kind, kind, save_tokenizer, **extra)
    base = load_base(ModelConfig(name=str(folder), device="cpu"))
    assert base.tokenizer.pad_token_id == 0  # GPT-2's only special token
    assert base.model.dtype == torch.float32
    settings = LoraSettings(rank=2)
    model = attach_lora(base, settings, seed=3)
    layout = layout_of(model, base, settings)
    assert not any("lm_head" in block.name for block in layout.blocks)
    assert layout.blocks[0].name.split(".lora_")[0] in dict(model.get_base_model().named_modules())
    batch = base.tokenizer(["stable", "stable on 20 mg"], padding=True, return_tensors="pt")
    before = read_vector(model, layout)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    loss = model(**batch, labels=batch["input_ids"]).loss
    loss.backward()
    optimizer.step()
    assert not (read_vector(model, layout) == before).all()
    assert model(**batch, labels=batch["input_ids"]).loss < loss


def test_sharding_place_and_precision_do_not_change_the_digest(tmp_path: Path, save_tokenizer: Save) -> None:
    whole = _save(tmp_path / "whole", "Llama", save_tokenizer)
    base = load_base(ModelConfig(name=str(whole), device="cpu"))
    _save(tmp_path / "shards", "Llama", save_tokenizer)
    (tmp_path / "shards" / "model.safetensors").unlink()
    weights = load_file(whole / "model.safetensors")
    files = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    index = {name: files[i % 2] for i, name in enumerate(sorted(weights))}  # neither file is in order
    for file in files:
        part = {name: weights[name] for name in index if index[name] == file}
        save_file(part, tmp_path / "shards" / file, metadata={"format": "pt"})
    (tmp_path / "shards" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index, "metadata": {}}))
    shards = load_base(ModelConfig(name=str(tmp_path / "shards"), device="cpu", dtype="bfloat16"))
    assert (shards.digest, shards.tokenizer_digest) == (base.digest, base.tokenizer_digest)
    assert shards.model.dtype == torch.bfloat16


def test_weights_configuration_and_tokenizer_change_their_digest(tmp_path: Path, save_tokenizer: Save) -> None:
    folder = _save(tmp_path / "model", "Llama", save_tokenizer)
    config = ModelConfig(name=str(folder), device="cpu")
    first = load_base(config)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] += 1e-3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    os.utime(folder / "model.safetensors", ns=(1, 1))  # surely another time than the first
    second = load_base(config)
    assert second.digest != first.digest
    assert second.tokenizer_digest == first.tokenizer_digest
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"rms_norm_eps": 1e-3}, indent=7))
    assert load_base(config).digest not in (first.digest, second.digest)
    (folder / "config.json").write_text(json.dumps(content | {"transformers_version": "9"}))
    assert load_base(config).digest == second.digest
    tokenizer = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer)))
    assert load_base(config).tokenizer_digest == first.tokenizer_digest
    changed = json.loads(tokenizer)
    changed["pre_tokenizer"]["add_prefix_space"] = True
    (folder / "tokenizer.json").write_text(json.dumps(changed))
    assert load_base(config).tokenizer_digest != first.tokenizer_digest


def test_digest_is_cached_and_a_spoilt_cache_entry_is_ignored(
    tmp_path: Path, save_tokenizer: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    folder = _save(tmp_path / "model", "Llama", save_tokenizer)
    config = ModelConfig(name=str(folder), device="cpu")
    digest = load_base(config).digest
    (entry,) = (tmp_path / "home" / "cache" / "digests").iterdir()
    assert entry.read_text() == digest
    entry.write_text("f" * 64)
    assert load_base(config).digest == "f" * 64
    entry.write_text("half")
    assert load_base(config).digest == digest


def test_missing_model_gives_one_error_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []

    def unreachable(*_: Any, **__: Any) -> None:
        waited.append("for the network")
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("socket.getaddrinfo", unreachable)
    monkeypatch.setattr("socket.socket.connect", unreachable)
    monkeypatch.setattr("time.sleep", lambda seconds: waited.append(f"{seconds} s"))
    with pytest.raises(AdapterError) as caught:
        load_base(ModelConfig(name="nobody/has-this"))
    assert waited == []
    for place in ("embedded:", "local folder:", "hub cache:", "hub:", "absolute path", "nobody/has-this"):
        assert place in str(caught.value)
    with pytest.raises(AdapterError, match="does not exist") as caught:
        load_base(ModelConfig(name=str(tmp_path / "absent" / "model")))
    assert "hub cache" not in str(caught.value)


def test_unreachable_hub_is_reported_after_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def unreachable(*_: Any, **options: Any) -> None:
        asked.append("cache" if options.get("local_files_only") else "hub")
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    with pytest.raises(AdapterError, match=r"hub: ConnectionError: no route to host"):
        load_base(ModelConfig(name="nobody/has-this"))
    assert asked == ["cache", "hub"]


def test_hub_copy_is_used_from_the_cache(tmp_path: Path, save_tokenizer: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _save(tmp_path / "snapshot", "Llama", save_tokenizer)

    def cached(name: str, *, revision: str | None, local_files_only: bool) -> str:
        assert (name, revision, local_files_only) == ("group/model", "v1", True)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", cached)
    base = load_base(ModelConfig(name="group/model", revision="v1", device="cpu"))
    assert (base.name, base.source, base.revision) == ("group/model", "group/model", "v1")


def test_bad_folders_are_refused(tmp_path: Path, save_tokenizer: Save) -> None:
    folder = _save(tmp_path / "model", "Llama", save_tokenizer)
    config = ModelConfig(name=str(folder), device="cpu")
    path = folder / "model.safetensors"
    sound = path.read_bytes()
    path.write_bytes(sound[: len(sound) // 2])
    with pytest.raises(AdapterError, match="cannot be loaded"):
        load_base(config)
    weights = load_file_of(sound, tmp_path)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(AdapterError, match=r"lack 1 tensors .*layers\.1\.mlp\.up_proj"):
        load_base(config)
    path.write_bytes(sound)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(AdapterError, match="tokenizer"):
        load_base(config)
    path.unlink()
    with pytest.raises(AdapterError, match=r"has no config\.json with all its"):
        load_base(config)


def load_file_of(content: bytes, folder: Path) -> dict[str, torch.Tensor]:
    (folder / "copy.safetensors").write_bytes(content)
    return load_file(folder / "copy.safetensors")


def test_revision_of_what_has_none_is_refused(tmp_path: Path) -> None:
    for name in ("embedded", str(tmp_path)):
        with pytest.raises(AdapterError, match=r"model\.revision = 'v1'"):
            load_base(ModelConfig(name=name, revision="v1"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a GPU")
def test_absent_device_is_refused() -> None:
    with pytest.raises(AdapterError, match="0 cuda devices"):
        load_base(ModelConfig(device="cuda:1"))


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_quantised_base_trains_a_step(quantization: str) -> None:
    plain = load_base(ModelConfig(device="cpu"))
    base = load_base(ModelConfig(device="cpu", quantization=quantization))
    assert (base.digest, base.tokenizer_digest) == (plain.digest, plain.tokenizer_digest)
    kinds = {type(module).__name__ for module in base.model.modules()}
    assert {"4bit": "Linear4bit", "8bit": "Linear8bitLt"}[quantization] in kinds
    settings = LoraSettings(rank=4)
    model = attach_lora(base, settings, seed=1)
    layout = layout_of(model, base, settings)
    ids = torch.tensor([base.tokenizer("The patient is stable. " * 8)["input_ids"]])
    with torch.no_grad():
        model(input_ids=ids)  # measuring first must not cost the gradients: see load_base
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(3):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        first = next(p for n, p in model.named_parameters() if "layers.0.self_attn.q_proj.lora_B" in n)
        assert first.grad is not None and first.grad.any()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[2] < losses[0]
    assert read_vector(model, layout).any()
    attached = attach_lora(plain, settings, seed=1)
    assert layout_of(attached, plain, settings) == layout


@pytest.mark.parametrize(
    ("has", "hidden", "stored", "chosen"),
    [
        ({"avx512_bf16": True}, 512, "bfloat16", "bfloat16"),
        ({"amx_bf16": True, "avx512_bf16": False}, 576, "bfloat16", "bfloat16"),
        ({"avx512_bf16": True}, 128, "bfloat16", "float32"),
        ({"avx512_bf16": True}, 576, "float32", "float32"),
        ({"avx2": True}, 576, "bfloat16", "float32"),
        ({}, 576, "bfloat16", "float32"),
    ],
)
def test_on_a_cpu_that_is_fast_at_it_wide_models_of_bfloat16_stay_so(
    has: dict[str, bool], hidden: int, stored: str, chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    config = {"model_type": "llama", "hidden_size": hidden, "num_attention_heads": 8, "dtype": stored}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert base_module._dtype(ModelConfig(), torch.device("cpu"), tmp_path) == getattr(torch, chosen)
    asked = ModelConfig(dtype="float16")
    assert base_module._dtype(asked, torch.device("cpu"), tmp_path) == torch.float16
