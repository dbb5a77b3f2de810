"""A base model larger than one GPU: its frozen weights in parts, one part a process, put together layer by layer.

Fully sharded data parallelism (torch's ``fully_shard``; arXiv 2304.11277). Only the frozen base is sharded. The
trained factors are small and stay whole on every process, so that reading, writing and adding them up is the same
code with and without sharding.

Not for: 8-bit bases, whose scales bitsandbytes keeps where sharding would lose them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from crossward.adapters import AdapterError, ModelConfig
from crossward.config.model_settings import BFLOAT16, EIGHT_BIT, FLOAT32, FOUR_BIT
from crossward.config.settings import AUTO


def before_sharding(model: ModelConfig) -> ModelConfig:
    """How to load a model that is to be sharded onto ``model.device``.

    On the CPU, in the precision that the device would have got: there processes share the pages of the weight files.
    A 4-bit base is a quarter the size, and its scales must lie on the device: each process loads it whole, then parts
    it.

    Raises
    ------
    AdapterError
        the model is to be in 8 bits.
    """
    if model.quantization == EIGHT_BIT:
        raise AdapterError(
            "node.sharding = 'fsdp' with model.quantization = '8bit': bitsandbytes' 8-bit layers cannot be sharded. "
            "Use '4bit', which can, or hold the 8-bit model whole with node.sharding = 'none'."
        )
    if model.quantization == FOUR_BIT or model.device == "cpu":
        return model
    fast = torch.cuda.get_device_capability(model.device) >= (8, 0)
    dtype = model.dtype if model.dtype != AUTO else BFLOAT16 if fast else FLOAT32
    return replace(model, device="cpu", dtype=dtype)


def layers(model: Any) -> list[torch.nn.Module]:
    """The model's decoder layers: the modules of its longest list of modules of one class."""
    lists = [list(m) for m in model.modules() if isinstance(m, torch.nn.ModuleList)]
    alike = [found for found in lists if found and len({type(m) for m in found}) == 1]
    return max(alike, key=len, default=[])


def shard(peft_model: Any, device: str) -> None:
    """Part the frozen weights among the default group's processes, in place; factors go to this one's ``device``."""
    mesh = init_device_mesh(torch.device(device).type, (dist.get_world_size(),))
    whole = {p for n, p in peft_model.named_parameters() if p.requires_grad or ".lora_" in n}
    for layer in layers(peft_model):
        fully_shard(layer, mesh=mesh, ignored_params=whole)
    fully_shard(peft_model, mesh=mesh, ignored_params=whole)
    with torch.no_grad():
        for tensor in (*whole, *peft_model.buffers()):
            tensor.data = tensor.data.to(device)
