"""What a base model takes: how many tokens at once, and which token ids.

Both are checked when a model is loaded. Beyond them a first step would end in torch's "index out of range in self", or,
with rotary positions, in nothing but bad predictions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from crossward.adapters.errors import AdapterError, LocalFilesError


def _learned(model: Any) -> list[int]:
    """Positions of every table of learned ones: GPT-2's ``wpe``, OPT's ``embed_positions``, ``position_embeddings``."""
    found = []
    for name, module in getattr(
        model, "get_decoder", lambda: model
    )().named_modules():  # not a picture's, in a model of several kinds of input
        leaf = name.rpartition(".")[2]
        if isinstance(module, torch.nn.Embedding) and (leaf == "wpe" or "position" in leaf):
            # some count from the padding token's number on, some have an offset that is theirs
            before = 0 if module.padding_idx is None else module.padding_idx + 1
            found.append(module.num_embeddings - max(before, int(getattr(module, "offset", 0))))
    return found


def _rotary(config: Any) -> float | None:
    """Positions that a configuration states, stretched by its rotary scaling; None for no limit."""
    stated = getattr(config, "max_position_embeddings", None)
    if not isinstance(stated, int) or stated < 1:
        return None
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = [kind for kind in rope.values() if isinstance(kind, dict)] or [rope]  # some have one for each kind of layer
    if any(kind.get("rope_type") == "dynamic" for kind in kinds):
        return None
    stretched = [
        (kind.get("original_max_position_embeddings") or stated) * float(kind.get("factor") or 1.0) for kind in kinds
    ]
    return max(stated, *stretched)


def positions(model: Any) -> int | None:
    """How many tokens ``model`` takes at once; None where neither its configuration nor its weights set a limit."""
    limits = [*_learned(model), _rotary(model.config.get_text_config())]
    return min((int(limit) for limit in limits if limit is not None), default=None)


def check_length(model: Any, name: str, longest: int) -> None:
    """Raise AdapterError where ``longest``, of ``data.max-tokens``, is more than the model ``name`` takes."""
    limit = positions(model)
    if limit is not None and longest > limit:
        raise AdapterError(
            f"data.max-tokens = {longest} is more than the {limit} positions of the model "
            f"(model.name = {name!r}): set data.max-tokens to {limit} or less, or take a model of more positions."
        )


def check_vocabulary(folder: Path, tokenizer: Any, rows: int) -> None:
    """Raise LocalFilesError where ``tokenizer``, of ``folder``, has token ids for which there are no embeddings."""
    for role in ("bos", "eos", "pad"):
        token = getattr(tokenizer, f"{role}_token_id")
        if token is not None and not 0 <= token < rows:
            raise LocalFilesError(
                f"the tokenizer in {folder} does not belong to its model: {role} token {token}, {rows} embeddings."
            )
    beyond = [token for token in tokenizer.get_vocab().values() if not 0 <= token < rows]
    if beyond:
        raise LocalFilesError(
            f"the tokenizer in {folder} does not belong to its model: {len(beyond)} of its tokens, up to id "
            f"{max(beyond)}, are beyond the model's {rows} embeddings. Give model.name a folder whose tokenizer and "
            "weights were saved together, or enlarge the embeddings (resize_token_embeddings) and save both."
        )
