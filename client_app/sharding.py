"""A base model larger than one GPU: its frozen weights in parts, one part a process, put together layer by layer.

Fully sharded data parallelism (torch's ``fully_shard``; arXiv 2304.11277). Only the frozen base is sharded. The
trained factors are small and stay whole on every process, so that reading, writing and adding them up is the same
code with and without sharding.

Not for: quantised bases (bitsandbytes keeps what decodes a weight beside it, which sharding would part from it); a
4-bit base is a quarter the size of a bfloat16 one and is held whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from adapters import AdapterError, ModelConfig


def unsharded_model(model: ModelConfig) -> ModelConfig:
    """How to load a model that is to be sharded: on the CPU, where processes share the pages of the weight files.

    Raises
    ------
    AdapterError
        the model is to be quantised.
    """
    if model.quantization != "none":
        raise AdapterError(
            f"node.sharding = 'fsdp' with model.quantization = {model.quantization!r}: quantised weights cannot be "
            "sharded. Leave one of them at 'none'; a 4-bit model needs a quarter of the memory without sharding."
        )
    return replace(model, device="cpu")


def layers(model: Any) -> list[torch.nn.Module]:
    """The model's decoder layers: the modules of its longest list of modules of one class."""
    lists = [list(m) for m in model.modules() if isinstance(m, torch.nn.ModuleList)]
    alike = [found for found in lists if found and len({type(m) for m in found}) == 1]
    return max(alike, key=len, default=[])


def shard(peft_model: Any, model: ModelConfig) -> None:
    """Part the frozen weights among the processes of the default group, in place; factors go to this one's device."""
    device = torch.device("cpu" if model.device == "cpu" else f"cuda:{torch.cuda.current_device()}")
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    whole = {p for p in peft_model.parameters() if p.requires_grad}
    whole |= {p for n, p in peft_model.named_parameters() if ".lora_" in n}
    for layer in layers(peft_model):
        fully_shard(layer, mesh=mesh, ignored_params=whole)
    fully_shard(peft_model, mesh=mesh, ignored_params=whole)
    with torch.no_grad():
        for parameter in whole:
            parameter.data = parameter.data.to(device)
        for buffer in peft_model.buffers():
            buffer.data = buffer.data.to(device)
