"""Tiny mixtures of experts with random weights, of the shapes that transformers 5 gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

SIZE: dict[str, Any] = {
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
_SMALL = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
_LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8}
KINDS: dict[str, dict[str, Any]] = {
    "Mixtral": {"num_local_experts": 4},
    "Qwen3Moe": {"num_experts": 4, "head_dim": 8, "mlp_only_layers": [0], **_SMALL},
    "DeepseekV3": {
        "n_routed_experts": 4,
        "n_group": 2,
        "topk_group": 1,
        "n_shared_experts": 1,
        "first_k_dense_replace": 1,
        "num_key_value_heads": 4,
        **_LATENT,
        **_SMALL,
    },
    "GraniteMoe": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "Llama4Text": {"num_local_experts": 4, "intermediate_size_mlp": 32, "head_dim": 8},
    "JetMoe": {"num_local_experts": 4, "kv_channels": 8},
}


def save_mixture(folder: Path, kind: str, **extra: Any) -> Path:
    """Save a model of ``kind``; its folder."""
    torch.manual_seed(1)
    config = getattr(transformers, f"{kind}Config")(**(SIZE | KINDS[kind] | extra))
    model = getattr(transformers, f"{kind.removesuffix('Text')}ForCausalLM")(config)
    with torch.no_grad():
        for parameter in model.parameters():  # some are left at zero, as whoever loads weights fills them
            if parameter.ndim > 1:
                parameter.normal_(std=0.2)
    model.save_pretrained(folder)
    return folder
