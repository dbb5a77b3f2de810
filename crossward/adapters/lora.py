"""Attaching LoRA factors that are the same numbers on every node.

LoRA (arXiv 2106.09685): W + (alpha / r) B A, B starts at zero. FFA-LoRA (arXiv 2403.12313): A stays as drawn and
only B is trained, so that the average of the factors is the average of the updates.

The factors A are drawn from a counter-based generator (Philox) in integer arithmetic, not by torch: neither the
device, nor the version of torch, nor whatever else has used its generators can change a bit of them. With a trained
core (``crossward.adapters.core``) nothing is drawn: both factors are frozen at bases made from the weights.

Not for: reading, writing or saving the factors.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from typing import Any, cast

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora.layer import LoraLayer
from transformers.pytorch_utils import Conv1D

from crossward.adapters.base import BaseModel
from crossward.adapters.bases import bases_for
from crossward.adapters.bases_file import bases_digest
from crossward.adapters.core import lora_layers, set_bases
from crossward.adapters.errors import AdapterError
from crossward.adapters.targets import adapted_weights, described, find_targets, refuse_parameters
from crossward.config.model_settings import ALL_LINEAR, BOTH, CORE, LoraSettings

logger = logging.getLogger("crossward.adapters")


def initial_factor(name: str, shape: tuple[int, int], seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The initial A, float32 [rank, inputs]: uniform in +-1/sqrt(inputs), as peft's Kaiming initialisation.

    A function of the block's name, the shape and the seed alone, bit for bit on every machine.
    """
    key = hashlib.sha256(f"crossward-lora-1|{seed}|{name}".encode()).digest()[:16]
    raw = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(shape[0] * shape[1])
    unit = (raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    bound = np.float32(1.0) / np.sqrt(np.float32(shape[1]))
    factor: np.ndarray[Any, np.dtype[np.float32]] = (unit * np.float32(2) - np.float32(1)) * bound
    return factor.reshape(shape)


def factor_parameters(peft_model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    """(block name, parameter) of every LoRA factor, trained or frozen, in layer order; of a core model, the cores."""
    return [
        (
            name.removeprefix("base_model.model.")
            .replace(".lora_B.default.core.", ".lora_core.")
            .replace(".default.", "."),
            parameter,
        )
        for name, parameter in peft_model.named_parameters()
        if ".lora_" in name
    ]


def put_factors(base: BaseModel, settings: LoraSettings) -> Any:
    """The PeftModel around ``base.model``, its factors as PEFT draws them: for `attach_lora`, which sets them."""
    model = base.model
    if getattr(model, "peft_config", None):
        raise AdapterError(f"the base model {base.name!r} carries LoRA factors already: call detach_lora first.")
    targets = find_targets(model, settings.targets)
    if settings.factors == CORE:
        refuse_parameters(targets, "lora.factors = 'core' needs linear layers")
    if settings.dropout:
        refuse_parameters(targets, f"lora.dropout = {settings.dropout:g} needs linear layers")
    alpha = float(settings.alpha)
    named: Any = ALL_LINEAR if settings.targets == (ALL_LINEAR,) else list(settings.targets)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=int(alpha) if alpha.is_integer() else alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=list(targets.modules) if targets.exact else named,
        target_parameters=list(targets.parameters) or None,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():  # peft draws factors of its own, replaced later
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # peft 0.21, transformers 5
            peft_model: Any = get_peft_model(model, config, autocast_adapter_dtype=True)
    except ValueError as error:
        _strip(model)
        raise AdapterError(
            f"PEFT does not adapt {settings.target_modules!r} (lora.target-modules) of this model: {error}"
        ) from error
    if wrong := sorted(set(adapted_weights(peft_model)) ^ targets.weights):
        detach_lora(peft_model)
        raise AdapterError(
            f"lora.target-modules = {settings.target_modules!r}: PEFT and this program differ in {len(wrong)} of the "
            f"weights that it means, such as {wrong[0]}. Name the modules to adapt."
        )
    peft_model.crossward_targets = targets
    config.base_model_name_or_path = base.source or base.name
    config.revision = base.revision or None
    return peft_model


def _strip(model: Any) -> None:
    """Undo what PEFT has done to a model before it failed."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer) and not name.endswith("base_layer"):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())
    if hasattr(model, "peft_config"):
        del model.peft_config
    model.requires_grad_(False)


@torch.no_grad()
def _draw(peft_model: Any, settings: LoraSettings, seed: int) -> str:
    """A drawn from ``seed``, B zero; sha256 hex over both."""
    sha = hashlib.sha256()
    for name, parameter in factor_parameters(peft_model):
        if parameter.dtype != torch.float32 or parameter.ndim != 2:
            got = f"{parameter.dtype} {list(parameter.shape)}"
            raise AdapterError(f"{name} came out as {got}, not a float32 matrix: this layer is not supported.")
        if ".lora_A." in name:
            initial = initial_factor(name, (parameter.shape[0], parameter.shape[1]), seed)
            parameter.copy_(torch.from_numpy(initial))
            parameter.requires_grad_(settings.factors == BOTH)
        else:
            initial = np.zeros(tuple(parameter.shape), np.float32)
            parameter.zero_()
        sha.update(name.encode() + initial.tobytes())
    return sha.hexdigest()


def _set_cores(peft_model: Any, base: BaseModel, settings: LoraSettings) -> str:
    """A and B frozen at the bases, cores of zeros between them; the bases' digest."""
    bases = bases_for(peft_model, base, settings)
    layers = lora_layers(peft_model)
    for name, layer in layers:
        set_bases(layer, *bases.pair(name))
    return bases_digest({name: bases.layers[name] for name, _ in layers})


def attach_lora(base: BaseModel, settings: LoraSettings, seed: int) -> PeftModel:
    """Put LoRA factors on ``base.model``, in place, and return the PeftModel around it.

    The factors are float32 whatever the base's precision; nothing else is trainable. Global generators are left as
    they were. ``base.model`` carries the factors from now on: `detach_lora` takes them off. ``seed`` decides A; a core
    model draws nothing, its bases are computed at the first call and cached.

    Raises
    ------
    AdapterError
        for a model that carries factors already, target modules that it does not have, or bases that do not fit; the
        model is then as it was.
    """
    peft_model = put_factors(base, settings)
    try:
        core = settings.factors == CORE
        initial = _set_cores(peft_model, base, settings) if core else _draw(peft_model, settings, seed)
        stray = [n for n, parameter in peft_model.named_parameters() if parameter.requires_grad and ".lora_" not in n]
        if stray:
            raise AdapterError(f"{stray[0]} is trainable but no LoRA factor: this kind of model is not supported.")
    except BaseException:  # an interrupted SVD too
        detach_lora(peft_model)
        raise
    peft_model.crossward_initial_factors = initial
    logger.info("LoRA of rank %s: %s", settings.rank, described(peft_model))
    return cast(PeftModel, peft_model)


def detach_lora(peft_model: PeftModel) -> None:
    """Take the factors off again; the base model is as it was before `attach_lora`."""
    model: Any = cast(Any, peft_model).unload()
    if hasattr(model, "peft_config"):
        del model.peft_config
    model.requires_grad_(False)
