"""LoRA with frozen bases and a trained core: W + (alpha / r) B0 R A0 (LoRA-XS, arXiv 2405.17604; Fed-SB, 2502.15436).

Only R [r, r] is trained and travels. The update is linear in R, so an average of cores *is* the average of the
hospitals' updates, which an average of A and B is not. R starts at zero: version 0 is the base model, and since A0
and B0 are not zero, R has a gradient from the first step.

The bases are buffers, not parameters: what PEFT does to ``requires_grad`` (``disable_adapter`` turns it on for all
factors when it ends) cannot make them trainable.

Not for: where the bases come from (``crossward.adapters.bases``).
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import LoraLayer
from torch.nn.functional import linear

from crossward.adapters.errors import AdapterError

PREFIX = "base_model.model."


class Frozen(torch.nn.Module):
    """A0 in the place of ``lora_A``: float32 ``weight`` [r, in], never trained."""

    weight: torch.Tensor
    bias = None

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., r]."""
        return linear(x, self.weight)


class Cored(torch.nn.Module):
    """B0 R in the place of ``lora_B``: float32 ``base`` [out, r], never trained, and ``core`` [r, r].

    R is applied before B0, so that neither the product nor a gradient of its size is ever made in training.
    """

    base: torch.Tensor
    bias = None

    def __init__(self, base: torch.Tensor) -> None:
        super().__init__()
        rank = base.shape[1]
        self.register_buffer("base", base)
        with torch.random.fork_rng():  # torch draws a weight of its own
            self.core = torch.nn.Linear(rank, rank, bias=False, device=base.device, dtype=torch.float32)
        torch.nn.init.zeros_(self.core.weight)

    @property
    def weight(self) -> torch.Tensor:
        """B0 R, float32 [out, r], by way of float64: what a plain LoRA layer has as its B."""
        product: torch.Tensor = self.base.double() @ self.core.weight.double()
        return product.float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., r] to [..., out]."""
        return linear(self.core(x), self.base)


def lora_layers(peft_model: Any) -> list[tuple[str, Any]]:
    """(the base module's name, PEFT's layer) of every layer with factors, in layer order."""
    return [
        (name.removeprefix(PREFIX), module)
        for name, module in peft_model.named_modules()
        if isinstance(module, LoraLayer)
    ]


def set_bases(layer: Any, a: torch.Tensor, b: torch.Tensor) -> None:
    """Replace ``layer``'s factors by A0 [r, in], B0 [out, r] and a core of zeros, on the device that they were on."""
    device = layer.lora_A["default"].weight.device
    layer.lora_A["default"] = Frozen(a.to(device, torch.float32))
    layer.lora_B["default"] = Cored(b.to(device, torch.float32))


def plain_factors(peft_model: Any) -> dict[str, torch.Tensor]:
    """Block name -> A0 and B0 R of every layer of a core model, float32 on the CPU: an ordinary LoRA adapter."""
    out = {}
    for name, layer in lora_layers(peft_model):
        out[f"{name}.lora_A.weight"] = layer.lora_A["default"].weight.detach().cpu()
        out[f"{name}.lora_B.weight"] = layer.lora_B["default"].weight.detach().cpu()
    return out


def recover_core(b: torch.Tensor, base: torch.Tensor, where: str) -> torch.Tensor:
    """The R, float32 [r, r], with B0 R = ``b`` [out, r], ``base`` being B0: least squares in float64.

    R comes back to float32's rounding, not bit for bit. Raises AdapterError, naming ``where``, when ``b`` is no B0 R.
    """
    bases, wanted = base.detach().cpu().double(), b.detach().cpu().double()
    if not torch.isfinite(wanted).all():
        raise AdapterError(f"{where} holds values that are not finite: training diverged, or the file is damaged.")
    core: torch.Tensor = torch.linalg.lstsq(bases, wanted).solution
    left = float(torch.linalg.norm(bases @ core - wanted))
    if left > 1e-5 * float(torch.linalg.norm(wanted)):
        raise AdapterError(
            f"{where} is no B0 R of this model's bases: the adapter was trained with lora.factors = 'both' or 'b', or "
            "with other bases. Train on with the settings and the bases that it was made with."
        )
    return core.float()
