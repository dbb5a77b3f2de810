"""Models with the shapes of a public config and random weights, and what a training step on them costs in arithmetic.

Not for: timing (``benchmarks.gpu.loops``).
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from crossward.adapters import BaseModel, LoraSettings, ModelConfig, attach_lora
from crossward.adapters.find import find_model

SHAPES: dict[str, dict[str, Any]] = {
    "llama-3.1-8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "rope_theta": 500000.0,
        "tie_word_embeddings": False,
    },
    "tiny": {
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 2048,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
    },
}


@dataclass(frozen=True)
class Setup:
    """One row's model: ``kind`` is bf16, 4bit or 8bit; on the CPU float32 stands for bf16."""

    shapes: str
    kind: str
    device: str
    rank: int = 16


def config_of(shapes: str) -> LlamaConfig:
    """The model's config."""
    return LlamaConfig(**SHAPES[shapes])


def random_model(setup: Setup) -> Any:
    """A frozen causal language model with random weights on the device, in evaluation mode."""
    dtype = torch.bfloat16 if setup.device.startswith("cuda") else torch.float32
    torch.manual_seed(0)
    with torch.device(setup.device):
        auto: Any = AutoModelForCausalLM
        model = auto.from_config(config_of(setup.shapes), dtype=dtype, attn_implementation="sdpa")
    if setup.kind != "bf16":
        quantise(model, setup)
    model.requires_grad_(False)
    return model.eval()


def quantise(model: Any, setup: Setup) -> None:
    """Replace the linear layers but the output head by bitsandbytes' (NF4 with double quantisation, or int8)."""
    import bitsandbytes

    nn: Any = bitsandbytes.nn
    compute = torch.bfloat16 if setup.device.startswith("cuda") else torch.float32
    for name, module in list(model.named_modules()):
        if not isinstance(module, torch.nn.Linear) or name == "lm_head":
            continue
        shape, bias = (module.in_features, module.out_features), module.bias is not None
        made: Any
        if setup.kind == "4bit":
            made = nn.Linear4bit(*shape, bias=bias, compute_dtype=compute, quant_type="nf4", compress_statistics=True)
            made.weight = nn.Params4bit(
                module.weight.data.cpu(), requires_grad=False, quant_type="nf4", compress_statistics=True
            )
        else:
            made = nn.Linear8bitLt(*shape, bias=bias, has_fp16_weights=False)
            made.weight = nn.Int8Params(module.weight.data.cpu(), requires_grad=False, has_fp16_weights=False)
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], made.to(setup.device))
        del module
    setattr(model, f"is_loaded_in_{setup.kind}", True)  # what PEFT asks for
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # as crossward.adapters.base does
    free()


def with_lora(model: Any, setup: Setup) -> Any:
    """``model`` with LoRA factors on all linear layers, as a node has it."""
    base = BaseModel(model, None, setup.shapes, "random", "random")
    return attach_lora(base, LoraSettings(rank=setup.rank, alpha=2.0 * setup.rank), 0)


def free() -> None:
    """Give back what is no longer referenced."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def batches(shapes: str, rows: int, tokens: int, count: int) -> list[dict[str, torch.Tensor]]:
    """``count`` packed batches of random tokens, int64 [rows, tokens]."""
    rng, size = np.random.default_rng(0), SHAPES[shapes]["vocab_size"]
    out = []
    for _ in range(count):
        ids = torch.from_numpy(rng.integers(0, size, (rows, tokens)))
        out.append({"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()})
    return out


def step_flops(shapes: str, rank: int, rows: int, tokens: int) -> float:
    """Floating-point operations that a LoRA step must do on [rows, tokens]; what is computed twice counts once.

    A frozen matrix of n weights takes 2n a token forward and 2n for the gradient of its input; a trained one 2n more.
    Causal attention takes 4 t d / 2 a token and layer forward and twice that backward (d the width of all heads).
    """
    c = SHAPES[shapes]
    hidden, inner, layers = c["hidden_size"], c["intermediate_size"], c["num_hidden_layers"]
    narrow = hidden // c["num_attention_heads"] * c["num_key_value_heads"]
    linear = [(hidden, hidden)] * 2 + [(hidden, narrow)] * 2 + [(hidden, inner)] * 2 + [(inner, hidden)]
    frozen = layers * sum(a * b for a, b in linear) + hidden * c["vocab_size"]
    trained = layers * sum(rank * (a + b) for a, b in linear)
    attention = layers * 3 * 2 * tokens * hidden
    operations: float = float(rows * tokens) * (4 * frozen + 6 * trained + attention)
    return operations


def matmul_rate(device: str) -> float:
    """Operations a second of a large matrix product on the device: bfloat16 on GPUs, float32 on CPUs."""
    cuda = device.startswith("cuda")
    size, dtype = (8192, torch.bfloat16) if cuda else (1024, torch.float32)
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(5):
        if cuda:
            torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(10):
            a @ b
        if cuda:
            torch.cuda.synchronize()
        best = max(best, 20.0 * size**3 / (time.perf_counter() - began))
    return best


def save_model(model: Any, folder: Path) -> None:
    """``model`` and the embedded model's tokenizer as a folder that ``model.name`` can name."""
    model.save_pretrained(folder, max_shard_size="5GB")
    embedded, _ = find_model(ModelConfig())
    AutoTokenizer.from_pretrained(str(embedded)).save_pretrained(folder)
