"""Local training: one bare loop over ``accelerate``, with the run's own schedule.

A step's loss is the mean over all tokens of its batches, summed here from the logits, so that gradient
accumulation, padding and packing change nothing about what is minimised and the reported loss is summed over
exactly the tokens that were counted. FedProx's term is added to the gradient (arXiv 1812.06127, eq. 2).

Not for: what becomes of the trained adapter (``client_app.node``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState

from client_app.settings import TrainSettings
from data.batches import IGNORED

Batch = dict[str, torch.Tensor]


class TrainingError(RuntimeError):
    """Local training could not be done; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """``loss_sum`` nats over ``tokens`` predicted tokens in ``steps`` optimiser steps."""

    loss_sum: float
    tokens: int
    steps: int


@functools.lru_cache(maxsize=1)
def accelerator_for(precision: str, device: str) -> Accelerator:
    """The process's accelerator. ``auto`` precision: bf16 on GPUs of compute capability 8 or more, else none."""
    if precision == "auto":
        fast = device.startswith("cuda") and torch.cuda.get_device_capability(device) >= (8, 0)
        precision = "bf16" if fast else "no"
    if AcceleratorState._shared_state:  # a process keeps one precision; a run with another one starts over
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device == "cpu", mixed_precision=precision)


def token_losses(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of a batch [b, t]: losses float32 [b, t-1] (0 where not predicted), predicted bool, right bool, each [b, t-1]."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    logits, labels = logits[:, :-1].float(), batch["labels"][:, 1:]
    losses = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=IGNORED, reduction="none"
    ).view(labels.shape)
    predicted = labels != IGNORED
    return losses, predicted, (logits.detach().argmax(-1) == labels) & predicted


def train_steps(
    model: Any,
    batches: Iterator[Batch],
    steps: int,
    learning_rate: Callable[[int], float],
    settings: TrainSettings,
    on_step: Callable[[int, float, int], None] | None = None,
) -> Outcome:
    """Take ``steps`` AdamW steps on the model's trainable parameters, in place.

    ``learning_rate`` gives the rate of a step; ``on_step`` hears step, mean loss and tokens of each.

    Raises
    ------
    TrainingError
        a step's loss is not finite.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    device = parameters[0].device
    accelerator = accelerator_for(settings.precision, str(device))
    # not accelerator.prepare: the process's accelerator would keep every task's optimiser and its moments for good
    optimizer = AcceleratedOptimizer(
        torch.optim.AdamW(parameters, lr=learning_rate(0), weight_decay=settings.weight_decay),
        scaler=accelerator.scaler,
    )
    anchor = [p.detach().clone() for p in parameters] if settings.proximal_mu else []
    model.train()
    try:
        loss_sum, tokens, taken = 0.0, 0, 0
        for step in range(steps):
            group = [{k: v.to(device) for k, v in next(batches).items()} for _ in range(settings.accumulation)]
            count = sum(int((batch["labels"][:, 1:] != IGNORED).sum()) for batch in group)
            if count == 0:
                continue
            step_loss = _backward(model, group, count, accelerator, step)
            if accelerator.scaler is not None:  # float16: take the loss's scale off before anything is added or cut
                accelerator.scaler.unscale_(optimizer.optimizer)
            for parameter, start in zip(parameters, anchor, strict=bool(anchor)):
                if parameter.grad is not None:
                    parameter.grad.add_(parameter.detach() - start, alpha=settings.proximal_mu)
            if settings.clip:
                torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
            for entry in optimizer.param_groups:
                entry["lr"] = learning_rate(step)
            optimizer.step()
            optimizer.zero_grad()
            loss_sum, tokens, taken = loss_sum + step_loss, tokens + count, taken + 1
            if on_step is not None:
                on_step(step, step_loss / count, count)
    finally:  # the model is shared: what a training that failed left behind must not reach the next
        optimizer.zero_grad()
        model.eval()
    if tokens == 0:
        raise TrainingError("no token was predicted in any batch: the training notes are empty after tokenising")
    return Outcome(loss_sum, tokens, taken)


def _backward(model: Any, group: list[Batch], count: int, accelerator: Accelerator, step: int) -> float:
    """Gradients of the mean loss over the ``count`` tokens of ``group``; the loss's sum, nats."""
    total = 0.0
    for batch in group:
        with accelerator.autocast():
            losses, _, _ = token_losses(model, batch)
        loss = losses.sum()
        accelerator.backward(loss / count)
        total += float(loss.detach())
    if not total < float("inf"):
        raise TrainingError(
            f"the loss of step {step} is {total}: training diverged; lower train.learning-rate or set train.clip"
        )
    return total
