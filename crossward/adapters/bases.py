"""The frozen bases of ``lora.factors = "core"``: computed once from the base model's weights, cached, or handed out.

    crossward bases --model embedded --rank 16 --out bases.safetensors

With W = U S V^T, A0 is V_r^T and B0 is U_r, its columns scaled (see `scaled_bases`). They must be the same numbers on
every node, and an SVD may differ between machines (``crossward.adapters.svd`` says why it mostly does not here) and
does differ between precisions: the bases' digest is part of the layout's fingerprint, so that a node with others is
refused. A consortium therefore makes the file once and gives its path to every node as ``lora.bases``.

On one core of a Xeon with AVX-512 a weight of 4096 x 14336 takes 4.2 s at rank 16, 5.5 to 6.4 s at rank 64 and 1.5 GB
of memory; the 224 layers of Llama-3.1-8B come to about 8 and 12 minutes, once.

Not for: the file's format (``crossward.adapters.bases_file``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from transformers.pytorch_utils import Conv1D

from crossward.adapters.base import BaseModel, load_base
from crossward.adapters.bases_file import FORMAT, Bases, open_bases, write_bases
from crossward.adapters.cache import cache_folder
from crossward.adapters.core import lora_layers
from crossward.adapters.errors import AdapterError
from crossward.adapters.svd import top_svd
from crossward.config.model_settings import CORE, LoraSettings, ModelConfig
from crossward.internals.bitsandbytes import dequantized, is_quantized
from crossward.machine.paths import checked

logger = logging.getLogger("crossward.adapters")
SCALE = 4.0
Layers = dict[str, Any]  # base module's name -> PEFT's layer around it


def weight_of(layer: Any) -> torch.Tensor:
    """The frozen weight [out, in] of a layer with factors: dequantised by bitsandbytes, transposed if a Conv1D's."""
    module = layer.get_base_layer()
    weight: torch.Tensor = module.weight
    if is_quantized(weight):
        weight = dequantized(module)
    return weight.detach().T if isinstance(module, Conv1D) else weight.detach()


def scaled_bases(weight: torch.Tensor, rank: int, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A0 = V_r^T [r, in] and B0 = 4 mean(S_r) U_r [out, r] of ``weight`` [out, in], float32.

    AdamW moves every entry of R by about the learning rate, so B0's scale is the learning rate in disguise. In units of
    the layer's own singular values one learning rate suits every layer and model, and their mean, in place of U_r S_r
    (LoRA-XS), lets every direction move alike however steep the spectrum. 4 puts the best learning rate at the
    default of the other factors, 1e-2 (alpha 16), where the public value range fits too. Geometric-mean perplexity of
    the embedded model after 48 central steps, rank 32: 17.9, 15.6, 14.9 and 18.1 for 1, 2, 4 and 8 times the mean;
    17.8, 15.7, 15.0 and 19.0 for U_r S_r; 4 is best at ranks 16 and 64 as well.
    """
    left, values, right = top_svd(weight, rank, name)
    scale = np.float32(SCALE) * np.float32(float(f"{float(values.mean()):.4g}"))  # 4 digits: machines agree
    return right.float(), left.float() * float(scale)


def _pairs(layers: Layers, rank: int) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    began = time.perf_counter()
    for number, (name, layer) in enumerate(layers.items(), 1):
        a, b = scaled_bases(weight_of(layer), rank, name)
        yield name, a, b
        if number % 32 == 0 or number == len(layers):
            logger.info("bases of %s/%s layers, %.0f s", number, len(layers), time.perf_counter() - began)


def _shapes(layers: Layers) -> dict[str, tuple[int, int]]:
    return {name: (layer.out_features, layer.in_features) for name, layer in layers.items()}


def make_bases(path: Path, layers: Layers, rank: int, base: BaseModel) -> str:
    """Compute the bases of ``layers`` into the file ``path``; their digest. Raises AdapterError and OSError."""
    return write_bases(path, _pairs(layers, rank), _shapes(layers), rank, base.digest)


def _cached(layers: Layers, rank: int, base: BaseModel) -> Bases:
    kinds = sorted({f"{type(w).__name__} {w.dtype}" for w in (x.get_base_layer().weight for x in layers.values())})
    facts = [FORMAT, base.digest, rank, kinds, sorted(_shapes(layers).items())]
    folder = cache_folder("bases")
    path = folder / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()}.safetensors"

    def found() -> Bases | None:
        if not path.exists():
            return None
        try:
            return open_bases(path, _shapes(layers), rank, base.digest)
        except AdapterError as error:
            logger.warning("computing the bases again: %s", error)
            return None

    if bases := found():
        return bases
    try:
        with FileLock(f"{path}.lock"):
            if bases := found():  # another process was faster
                return bases
            logger.info("computing the bases of %s layers, rank %s, once", len(layers), rank)
            make_bases(path, layers, rank, base)
    except OSError as error:
        raise AdapterError(
            f"the bases cannot be written to {path}: {error}. Set CROSSWARD_HOME to a writable folder, or "
            "lora.bases to a file made with `crossward bases`."
        ) from error
    return open_bases(path, _shapes(layers), rank, base.digest)


def bases_for(peft_model: Any, base: BaseModel, settings: LoraSettings) -> Bases:
    """The bases of every layer with factors: of ``settings.bases``, else cached in CROSSWARD_HOME, computed if absent.

    Of several processes that start at once one computes and the others wait. Raises AdapterError.
    """
    layers = dict(lora_layers(peft_model))
    if settings.bases:
        return open_bases(Path(checked(settings.bases, "lora.bases")), _shapes(layers), settings.rank, base.digest)
    return _cached(layers, settings.rank, base)


def make_file(path: Path, config: ModelConfig, lora: LoraSettings) -> str:
    """Load the base model and compute its bases into the file ``path``; their digest. Raises AdapterError, OSError."""
    from crossward.adapters.lora import detach_lora, put_factors

    base = load_base(config)
    peft_model = put_factors(base, dataclasses.replace(lora, factors=CORE))
    try:
        return make_bases(path, dict(lora_layers(peft_model)), lora.rank, base)
    finally:
        detach_lora(peft_model)
