"""The gradient of every sequence of a batch by itself, of a model's trainable parameters: Opacus's hooks, for a while.

Hooks sit on the layers that own a trainable parameter (the factors of LoRA, or a core), whatever the base model is
made of: its weights may be of 4 bits. Not of 8: bitsandbytes' LLM.int8 (arXiv 2208.07339) computes a column of a
layer's input in 16 bits when it holds a value above a threshold in *any* sequence of the pass, so that no sequence's
gradient is its own; ``crossward.config.privacy_checks`` refuses it. The model is shared with trainings that need none
of this, so everything that Opacus leaves on it is taken off at the end.

Not for: losses. A sequence's loss must not depend on the others of its batch (a mean over the batch's tokens does).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from opacus.grad_sample import GradSampleHooks

_LEFTOVERS = ("activations", "max_batch_len")  # that a pass which failed leaves on modules


class SampleGradientError(RuntimeError):
    """This model's layers mix the sequences of a batch."""

    tellable = True  # see client_app.guard.refusals


@contextlib.contextmanager
def sample_gradients(
    model: Any, parameters: list[torch.nn.Parameter]
) -> Iterator[Callable[[torch.Tensor], list[torch.Tensor]]]:
    """Within it, a function from losses [n] to the gradient of each loss: one float32 [n, ...] for each parameter.

    The losses are those of a forward pass of ``model`` made within it, in training mode, over n sequences (batch
    dimension first). Parameters' ``grad`` is left at None.

    Raises
    ------
    SampleGradientError
        from the function: a layer saw another number of sequences than there are losses, or a parameter is trained in
        a layer in which no sequence's part can be separated.
    """
    hooks = GradSampleHooks(model, loss_reduction="sum")
    names = {id(parameter): name for name, parameter in model.named_parameters()}

    def taken(losses: torch.Tensor) -> list[torch.Tensor]:
        with warnings.catch_warnings():  # the first layer's input is no function of anything trained
            warnings.filterwarnings("ignore", "Full backward hook is firing")
            losses.sum().backward()  # type: ignore[no-untyped-call]
        return [_read(p, len(losses), names.get(id(p), "")) for p in parameters]

    try:
        yield taken
    finally:
        hooks.cleanup()
        for module in model.modules():
            for name in _LEFTOVERS:
                if hasattr(module, name):
                    delattr(module, name)


def _place(name: str) -> tuple[str, str]:
    """The base model's layer that a parameter belongs to, LoRA factors or others, and what it is there."""
    whole = name.removeprefix("base_model.model.").replace(".default.", ".").replace(".base_layer.", ".")
    layer, factor, rest = whole.partition(".lora_")
    layer, own = (layer, f"lora_{rest}") if factor else whole.rpartition(".")[::2]
    return layer or "the model itself", own


def _read(parameter: Any, count: int, name: str) -> torch.Tensor:
    found, parameter.grad_sample = parameter.grad_sample, None
    whole, parameter.grad = parameter.grad, None
    if found is None and whole is None:  # it had no part in these losses
        return torch.zeros((count, *parameter.shape), dtype=torch.float32, device=parameter.device)
    if not isinstance(found, torch.Tensor) or found.shape != (count, *parameter.shape):
        layer, own = _place(name)
        raise SampleGradientError(  # no counts: how many sequences were drawn is not for others
            f"layer {layer} (its trained {own}, of shape {list(parameter.shape)}) has no gradient for each sequence "
            "by itself: it joins sequences, as a mixture of experts does, so that none can be clipped. Choose "
            "lora.target-modules without it, or set privacy.unit to 'none' or 'hospital'"
        )
    return found.float()
