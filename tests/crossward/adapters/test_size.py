"""A model's size without its weights is the size of the loaded model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossward.adapters import AdapterError, ModelConfig, load_base
from crossward.adapters.size import model_size


def test_the_size_is_that_of_the_loaded_model(own_home: Path) -> None:
    base = load_base(ModelConfig(device="cpu"))
    size = model_size(ModelConfig(device="cpu"))
    assert size.parameters == sum(p.numel() for p in base.model.parameters())
    assert size.vocabulary == base.model.config.vocab_size == len(base.model.get_input_embeddings().weight)
    assert size.positions == base.model.config.max_position_embeddings and not size.gpu
    assert model_size(ModelConfig(device="cuda:3")).gpu


def test_a_folder_without_a_language_model_is_named(tmp_path: Path, own_home: Path) -> None:
    with pytest.raises(AdapterError, match="was not found"):
        model_size(ModelConfig(name=str(tmp_path)))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no-such-model"}))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(AdapterError, match="not the configuration of a causal language model"):
        model_size(ModelConfig(name=str(tmp_path)))
