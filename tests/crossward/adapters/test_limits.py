"""How many tokens a model takes is what its forward pass takes, and a tokenizer has no id beyond the embeddings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoTokenizer

from client_app.guard.refusals import redacted
from crossward.adapters import AdapterError, ModelConfig, load_base
from crossward.adapters.limits import check_length, positions

SIZE: dict[str, Any] = {
    "vocab_size": 264,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "max_position_embeddings": 40,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
GPT2: dict[str, Any] = {"vocab_size": 264, "n_embd": 32, "n_layer": 1, "n_head": 4, "n_positions": 40} | {
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def made(kind: str, **given: Any) -> Any:
    torch.manual_seed(1)
    config = getattr(transformers, f"{kind}Config")(**given)
    name = f"{kind}LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM"
    return getattr(transformers, name)(config).eval()


@pytest.mark.parametrize(
    ("kind", "given", "limit"),
    [
        ("GPT2", GPT2, 40),
        ("OPT", SIZE | {"ffn_dim": 32, "word_embed_proj_dim": 32, "pad_token_id": 1}, 40),
        ("BioGpt", SIZE | {"pad_token_id": 1}, 40),
        ("Roberta", SIZE | {"is_decoder": True, "pad_token_id": 1}, 38),  # its positions begin after the padding's
    ],
)
@torch.no_grad()
def test_a_table_of_positions_ends_where_the_forward_pass_fails(kind: str, given: dict[str, Any], limit: int) -> None:
    model = made(kind, **given)
    assert positions(model) == limit
    model(input_ids=torch.full((1, limit), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, limit + 1), 5))
    check_length(model, "x", limit)
    with pytest.raises(AdapterError, match=rf"data\.max-tokens = {limit + 1} .* {limit} positions .*model\.name = 'x'"):
        check_length(model, "x", limit + 1)


@pytest.mark.parametrize(
    ("rope", "limit"),
    [
        ({}, 40),
        ({"rope_type": "linear", "factor": 2.0}, 80),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 40}, 160),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 10}, 40),
        ({"rope_type": "dynamic", "factor": 2.0}, None),
    ],
)
def test_rotary_positions_end_where_the_configuration_says(rope: dict[str, Any], limit: int | None) -> None:
    scaling = {"rope_parameters": rope | {"rope_theta": 1e4}} if rope else {}
    model = made("Llama", **SIZE, **scaling)
    assert positions(model) == limit
    if limit is None:
        check_length(model, "x", 10**6)


def test_a_model_without_positions_has_no_limit() -> None:
    model = made("Bloom", vocab_size=264, hidden_size=32, n_layer=1, n_head=4)
    assert positions(model) is None
    check_length(model, "x", 10**6)


@pytest.mark.parametrize("rows", [257, 256, 200])
def test_token_ids_beyond_the_embeddings_are_refused_when_the_model_is_loaded(
    tmp_path: Path, save_tokenizer: Callable[[Path], None], rows: int
) -> None:
    made("Llama", **(SIZE | {"vocab_size": rows})).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)  # 257 tokens
    config = ModelConfig(name=str(tmp_path), device="cpu")
    if rows == 257:
        base = load_base(config)
        assert max(base.tokenizer.get_vocab().values()) == 256
        base.model(input_ids=torch.tensor([[256]]))
        return
    expected = (
        rf"{tmp_path} does not belong to its model: {257 - rows} of its tokens, up to id 256, are beyond the .*{rows}"
    )
    with pytest.raises(AdapterError, match=expected) as error:
        load_base(config)
    assert "model.name" in str(error.value) and str(tmp_path) not in redacted(error.value)


def test_a_token_that_was_added_and_never_embedded_is_found(
    tmp_path: Path, save_tokenizer: Callable[[Path], None]
) -> None:
    made("GPT2", **(GPT2 | {"vocab_size": 257})).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.add_tokens(["<patient>"])
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match="1 of its tokens, up to id 257, are beyond the model's 257 embeddings"):
        load_base(ModelConfig(name=str(tmp_path), device="cpu"))
    tokenizer.add_special_tokens({"pad_token": "<padding>"})
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match="pad token 258, 257 embeddings"):
        load_base(ModelConfig(name=str(tmp_path), device="cpu"))
