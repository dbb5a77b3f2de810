"""Loading the frozen base model and its tokenizer, any causal language model that transformers knows.

Nothing here may assume the embedded model: a tokenizer may lack a padding token or BOS, embeddings may be tied,
the weights may be quantised. What can differ between nodes (device, precision, quantisation) is no part of
the digest; what may not differ (configuration, weights, tokenizer) is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from crossward.adapters.digests import base_digest, tokenizer_digest
from crossward.adapters.errors import AdapterError, LocalFilesError
from crossward.adapters.find import find_model
from crossward.adapters.limits import check_vocabulary
from crossward.adapters.tokenizers import read_tokenizer
from crossward.config.model_settings import BFLOAT16, EIGHT_BIT, FLOAT16, FLOAT32, FOUR_BIT, ModelConfig
from crossward.config.settings import AUTO

WIDE = 512
"""Hidden size from which bfloat16 is faster on CPUs that have instructions for it: with 576 it trains 2 times and
measures 2.6 times as fast as float32, with 128 it is 2.4 times slower."""


@dataclass(frozen=True)
class BaseModel:
    """A loaded base model: parameters frozen, in evaluation mode, on one device.

    ``digest`` and ``tokenizer_digest`` are sha256 hex; nodes whose digests differ cannot train together. ``source`` and
    ``revision`` are what an exported adapter names as its base: a hub id, or the folder on this machine.
    """

    model: Any
    tokenizer: Any
    name: str
    digest: str
    tokenizer_digest: str
    source: str = ""
    revision: str = ""


def _device(config: ModelConfig) -> torch.device:
    if config.device == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(config.device)
    backend = {"cuda": torch.cuda, "xpu": torch.xpu, "mps": torch.mps}.get(device.type)
    count = 1 if backend is None else backend.device_count()
    if (device.index or 0) >= count:
        raise AdapterError(
            f"model.device = {config.device!r}: this machine has {count} {device.type} devices. "
            "Use 'auto', 'cpu' or a smaller index."
        )
    return device


def _fast_bfloat16(device: torch.device, folder: Path) -> bool:
    if device.type != "cpu":
        return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    has = torch.cpu.get_capabilities()
    if not (has.get("avx512_bf16") or has.get("amx_bf16")):
        return False
    config: Any = AutoConfig.from_pretrained(str(folder), local_files_only=True).get_text_config()
    return getattr(config, "hidden_size", 0) >= WIDE and config.dtype == torch.bfloat16


def _dtype(config: ModelConfig, device: torch.device, folder: Path) -> torch.dtype:
    if config.dtype == AUTO:
        return torch.bfloat16 if _fast_bfloat16(device, folder) else torch.float32
    kinds = {FLOAT32: torch.float32, BFLOAT16: torch.bfloat16, FLOAT16: torch.float16}
    return kinds[config.dtype]


def _quantization(config: ModelConfig, dtype: torch.dtype) -> Any:
    if config.quantization == EIGHT_BIT:
        return cast(Any, BitsAndBytesConfig)(load_in_8bit=True)
    if config.quantization == FOUR_BIT:
        return cast(Any, BitsAndBytesConfig)(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    return None


def _load_model(config: ModelConfig, folder: Path, device: torch.device) -> Any:
    try:
        dtype = _dtype(config, device, folder)
    except Exception as error:  # as below
        raise LocalFilesError(
            f"the configuration in {folder} cannot be read: {type(error).__name__}: {error}"
        ) from error
    extra: dict[str, Any] = {}
    quantization = _quantization(config, dtype)
    if quantization is not None:
        extra["quantization_config"] = quantization
    if quantization is not None or device.type != "cpu":
        extra["device_map"] = {"": str(device)}
    progress: Any = transformers.utils.logging
    bars = progress.is_progress_bar_enabled()
    progress.disable_progress_bar()
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=dtype,
            attn_implementation=config.attention,
            local_files_only=True,
            output_loading_info=True,
            **extra,
        )
    except torch.OutOfMemoryError as error:
        raise LocalFilesError(
            f"{folder} does not fit on {device} in {dtype}: set model.quantization to '8bit' or '4bit'. ({error})"
        ) from error
    except Exception as error:  # transformers raises anything from KeyError to SafetensorError for a bad folder
        raise LocalFilesError(
            f"the model in {folder} cannot be loaded (dtype {dtype}, quantization {config.quantization}, attention "
            f"{config.attention}, device {device}): {type(error).__name__}: {error}"
        ) from error
    finally:
        if bars:
            progress.enable_progress_bar()
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise LocalFilesError(
            f"the weights in {folder} lack {len(missing)} tensors that {type(model).__name__} has, such as "
            f"{missing[0]}: fetch or copy the model again."
        )
    for module in model.modules():
        # On CPUs with AVX512-BF16, bitsandbytes would repack 4-bit weights at the first forward pass in evaluation
        # mode. No gradient passes through packed ones: training after measuring would train the last layer alone.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    model.requires_grad_(False)
    return model.eval()


def load_base(config: ModelConfig) -> BaseModel:
    """Load the base model that ``config`` names, without touching the network if it lies on this machine.

    ``dtype`` auto is bfloat16 on CUDA GPUs of compute capability 8 or more, and for a model of bfloat16 weights that is
    :data:`WIDE` on CPUs with AVX512-BF16 or AMX; float32 elsewhere. A missing padding token becomes an existing token;
    check attention masks, not ids.

    Raises
    ------
    AdapterError
        when the model cannot be had (naming every place tried), is cut off, lacks tensors, or does not fit.
    """
    folder, source = find_model(config)
    device = _device(config)
    model = _load_model(config, folder, device)
    tokenizer = read_tokenizer(folder)
    check_vocabulary(folder, tokenizer, model.get_input_embeddings().weight.shape[0])
    return BaseModel(
        model=model,
        tokenizer=tokenizer,
        name=config.name,
        digest=base_digest(folder, model),
        tokenizer_digest=tokenizer_digest(folder, tokenizer),
        source=source,
        revision=config.revision if source != str(folder) else "",
    )
