"""A base model's linear layers by oneDNN, on processors where torch's own product of float32 matrices is slow.

torch multiplies float32 matrices with MKL, whose fast kernels are for Intel's processors. oneDNN, with which torch
multiplies bfloat16, has the same for every x86 processor: on an AMD EPYC with AVX-512 it reaches 220 GFLOP/s on one
core where MKL reaches 95, and a training step of the embedded model takes a tenth less.

Not for: LoRA factors, which are too small to gain.
"""

from __future__ import annotations

import functools
import platform
from pathlib import Path
from typing import Any, cast

import torch

from crossward.internals.torch import onednn_linear

INTEL = "GenuineIntel"
CPUS = Path("/proc/cpuinfo")


@functools.lru_cache(maxsize=1)
def onednn_is_faster() -> bool:
    """Whether this machine's processor is an x86 one that is not Intel's, and this torch has oneDNN."""
    if platform.machine() != "x86_64" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return bool(vendor := _vendor(CPUS)) and vendor != INTEL


def _vendor(file: Path) -> str:
    """The processor's vendor, such as ``AuthenticAMD``; empty where the system does not say."""
    try:
        lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    return next(
        (value.strip() for name, _, value in (x.partition(":") for x in lines) if name.strip() == "vendor_id"), ""
    )


def freeze_linears(model: torch.nn.Module) -> None:
    """Make every plain linear layer of ``model`` a :class:`FrozenLinear`, in place."""
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = FrozenLinear


class FrozenLinear(torch.nn.Linear):
    """A linear layer by oneDNN while it is frozen, in float32 and on a CPU; else as any other."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` [..., inputs] -> [..., outputs]."""
        if not _fits(input) or not all(map(_fits_frozen, (self.weight, self.bias))):
            return super().forward(input)
        return cast(torch.Tensor, _Product.apply(input, self.weight, self.bias))  # type: ignore[no-untyped-call]


def _fits(tensor: torch.Tensor) -> bool:
    plain = type(tensor) in (torch.Tensor, torch.nn.Parameter)  # a shard, or a tensor of a transform, has its own ways
    whole = tensor.dtype == torch.float32 and tensor.device.type == "cpu" and tensor.numel() > 0
    return plain and whole and not torch.is_autocast_enabled("cpu")


def _fits_frozen(parameter: torch.Tensor | None) -> bool:
    return parameter is None or (_fits(parameter) and not parameter.requires_grad)


class _Product(torch.autograd.Function):
    """Product with a constant weight. Its gradient is one as well, so that a gradient can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return onednn_linear()(states, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        (weight,) = ctx.saved_tensors
        return _Product.apply(grad, weight.t(), None), None, None  # type: ignore[no-untyped-call]
