"""A base model's tokenizer, also without the model.

Not for: what it makes of notes (``data.tokens``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from crossward.adapters.errors import LocalFilesError
from crossward.adapters.find import find_model
from crossward.config.model_settings import ModelConfig

PADDING = ("<|finetune_right_pad_id|>", "<pad>", "[PAD]", "<|pad|>")


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of the model in ``folder``; a missing padding token becomes an existing token.

    Raises
    ------
    LocalFilesError
        there is none, or it cannot be loaded.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # as for the model: any kind of exception for a bad folder
        raise LocalFilesError(
            f"the tokenizer in {folder} cannot be loaded: {type(error).__name__}: {error}. "
            "The folder needs tokenizer.json, or the vocabulary files of its kind."
        ) from error
    if len(tokenizer) == 0:
        raise LocalFilesError(f"{folder} holds a model but no tokenizer: it needs tokenizer.json or vocabulary files.")
    if tokenizer.pad_token_id is None:
        # An existing token, so that the embeddings keep their size. Padding is masked, whatever its id.
        vocabulary = tokenizer.get_vocab()
        reserved = next((token for token in PADDING if token in vocabulary), None)
        tokenizer.pad_token = (
            reserved or tokenizer.unk_token or tokenizer.eos_token or min(vocabulary, key=vocabulary.__getitem__)
        )
    return tokenizer


def load_tokenizer(config: ModelConfig) -> Any:
    """The tokenizer of the model that ``config`` names, without its weights.

    Raises
    ------
    AdapterError
        the model cannot be had (naming every place tried), or has no tokenizer.
    """
    return read_tokenizer(find_model(config)[0])
