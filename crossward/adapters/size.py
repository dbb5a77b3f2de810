"""A base model's size, from its folder's configuration: nothing is loaded.

Not for: what follows from it (``crossward.config.model_defaults``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from accelerate import init_empty_weights
from transformers import AutoConfig, AutoModelForCausalLM

from crossward.adapters.errors import LocalFilesError
from crossward.adapters.find import find_model
from crossward.adapters.limits import positions
from crossward.config.model_defaults import ModelSize
from crossward.config.model_settings import ModelConfig
from crossward.config.settings import AUTO


def model_size(model: ModelConfig) -> ModelSize:
    """The size of the model that ``model`` names, which is fetched from the hub where it is not on this machine.

    Raises
    ------
    AdapterError
        it cannot be had, or its configuration names no causal language model.
    """
    folder, _ = find_model(model)
    empty = _empty(folder)
    device = model.device if model.device != AUTO else "cuda" if torch.cuda.is_available() else "cpu"
    return ModelSize(
        parameters=sum(parameter.numel() for parameter in empty.parameters()),  # tied ones once
        positions=positions(empty),
        vocabulary=int(empty.config.get_text_config().vocab_size),
        gpu=device.partition(":")[0] != "cpu",
    )


def _empty(folder: Path) -> Any:
    """The model without weights."""
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
        with init_empty_weights():
            empty = cast(Any, AutoModelForCausalLM).from_config(config)
        empty.tie_weights()
    except Exception as error:  # transformers raises anything from KeyError to ValueError for a bad configuration
        raise LocalFilesError(
            f"{folder / 'config.json'} is not the configuration of a causal language model: "
            f"{type(error).__name__}: {error}"
        ) from error
    return empty
