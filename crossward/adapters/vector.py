"""Trained factors <-> one float32 vector in the layout's order.

Not for: deltas, clipping, quantisation. Whoever wants a delta subtracts two vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from peft import PeftModel

from crossward.adapters.errors import AdapterError
from crossward.adapters.layout import Layout
from crossward.adapters.lora import factor_parameters

Vector = np.ndarray[Any, np.dtype[np.float32]]


def _parameters(peft_model: PeftModel, layout: Layout) -> list[torch.nn.Parameter]:
    present = dict(factor_parameters(peft_model))
    found = []
    for block in layout.blocks:
        parameter = present.get(block.name)
        if parameter is None or tuple(parameter.shape) != block.shape:
            has = "none" if parameter is None else str(list(parameter.shape))
            raise AdapterError(
                f"the layout's block {block.name} is {list(block.shape)}, the model has {has}: "
                "the layout belongs to another model or other lora settings."
            )
        found.append(parameter)
    return found


@torch.no_grad()
def read_vector(peft_model: PeftModel, layout: Layout) -> Vector:
    """A fresh float32 array [layout.total] of the trained factors as they are now."""
    flat = [parameter.detach().reshape(-1).float() for parameter in _parameters(peft_model, layout)]
    return torch.cat(flat).cpu().numpy().copy()


@torch.no_grad()
def write_vector(peft_model: PeftModel, layout: Layout, vector: Vector) -> None:
    """Copy ``vector``, float32 [layout.total], into the model's factors, in place.

    Nothing is written unless everything fits. Raises AdapterError for another size, dtype or layout, and for values
    that are not finite.
    """
    if not isinstance(vector, np.ndarray) or vector.dtype != np.float32 or vector.shape != (layout.total,):
        got = f"{vector.dtype} {list(vector.shape)}" if isinstance(vector, np.ndarray) else type(vector).__name__
        raise AdapterError(f"an adapter vector is a float32 array [{layout.total}]; got {got}.")
    if not np.isfinite(vector).all():
        at = int(np.flatnonzero(~np.isfinite(vector))[0])
        name = next(b.name for b in layout.blocks if b.offset <= at < b.offset + b.size)
        raise AdapterError(f"value {at} of the adapter vector, in block {name}, is {vector[at]}: training diverged?")
    parameters = _parameters(peft_model, layout)
    whole = torch.from_numpy(np.array(vector))  # a copy: the caller's array may be read-only
    for block, parameter in zip(layout.blocks, parameters, strict=True):
        parameter.copy_(whole[block.offset : block.offset + block.size].view(block.shape))
