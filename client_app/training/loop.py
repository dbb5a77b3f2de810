"""Local training: one bare loop over ``accelerate``, with the run's own schedule, on one process or a team of them.

A step's loss is the mean over all tokens of its batches, summed here from the logits, so that gradient
accumulation, padding and packing change nothing about what is minimised and the reported loss is summed over
exactly the tokens that were counted. FedProx's term is added to the gradient (arXiv 1812.06127, eq. 2).

In a team every process draws the same batches and takes its share of a step's sequences; gradients are summed before
anything is cut or added, so the adapter is that of one process but for the order of float additions.

Not for: what becomes of the trained adapter (``client_app.node``).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer

from client_app.training.losses import Batch, summed_loss, to_device
from client_app.training.team import SOLO, Team, share
from crossward.config.settings import AUTO
from crossward.config.train_settings import TrainSettings
from crossward.internals.accelerate import reset_precision
from data.batches import IGNORED


class TrainingError(RuntimeError):
    """Local training could not be done; the message says why."""

    tellable = True  # see client_app.guard.refusals


class CancelledError(RuntimeError):
    """Whoever asked for the training does not want it any more."""

    tellable = True  # see client_app.guard.refusals


@dataclass(frozen=True)
class Outcome:
    """``loss_sum`` nats over ``tokens`` predicted tokens in ``steps`` optimiser steps."""

    loss_sum: float
    tokens: int
    steps: int


@dataclass(frozen=True)
class Pace:
    """How long a training may take: ``seconds`` (0 = as long as its steps do), and whether it is still wanted.

    The last step is the one after which another of the mean duration so far would not fit; there is always one.
    """

    seconds: float = 0.0
    cancelled: Callable[[], bool] = field(default=lambda: False)
    clock: Callable[[], float] = time.perf_counter

    def over(self, began: float, taken: int) -> bool:
        """Whether the step that is just being taken, the ``taken``-th, is to be the last."""
        return bool(self.seconds) and (self.clock() - began) * (taken + 1) / taken > self.seconds


NO_LIMIT = Pace()


@functools.lru_cache(maxsize=1)
def accelerator_for(precision: str, device: str) -> Accelerator:
    """The process's accelerator. ``auto`` precision: bf16 on GPUs of compute capability 8 or more, else none."""
    if precision == AUTO:
        fast = device.startswith("cuda") and torch.cuda.get_device_capability(device) >= (8, 0)
        precision = "bf16" if fast else "no"
    reset_precision()  # a process keeps one; a run with another one starts over
    return Accelerator(cpu=device == "cpu", mixed_precision=precision)


def train_steps(
    model: Any,
    batches: Iterator[Batch],
    steps: int,
    learning_rate: Callable[[int], float],
    settings: TrainSettings,
    on_step: Callable[[int, float, int], None] | None = None,
    team: Team = SOLO,
    pace: Pace = NO_LIMIT,
) -> Outcome:
    """Take at most ``steps`` AdamW steps on the model's trainable parameters, in place.

    ``learning_rate`` gives the rate of a step; ``on_step`` gets step, mean loss and tokens of each, over the team.

    Raises
    ------
    TrainingError
        a step's loss is not finite.
    CancelledError
        ``pace`` says that nobody wants the result.
    """
    loop = Loop(model, learning_rate, settings, team)
    if settings.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    model.train()
    losses, tokens, taken, began = _Losses(on_step), 0, 0, pace.clock()
    try:
        for step in range(steps):
            group = [next(batches) for _ in range(settings.accumulation)]
            count = sum(int((batch["labels"][:, 1:] != IGNORED).sum()) for batch in group)
            if count == 0:
                continue
            loss = loop.backward(share(group, team), count)
            taken += 1
            speaks = team.leads
            flags = (float(speaks and pace.over(began, taken)), float(speaks and pace.cancelled()))
            sums = team.sum(torch.stack([loss, *(loss.new_tensor(flag) for flag in flags)]))
            tokens += count
            losses.add(step, sums, count)
            loop.step(step)
            # alone, the loss is read while the next step runs; a team must agree on whether there is one
            if team.size > 1 or any(flags):
                last, cancelled = losses.read()
                if cancelled:
                    raise CancelledError("this training was cancelled")
                if last:
                    break
        losses.read()
    finally:  # the model is shared: what a training that failed left behind must not reach the next
        loop.optimizer.zero_grad()
        model.eval()
        if settings.gradient_checkpointing:
            model.activation_checkpointing_disable()
            model.disable_input_require_grads()  # of its own accord it would leave a hook more each time
    if tokens == 0:
        raise TrainingError("no token was predicted in any batch: the training notes are empty after tokenising")
    return Outcome(losses.total, tokens, taken)


class _Losses:
    """Losses of the steps. One is read when the next is added: reading it at once would wait for the GPU."""

    def __init__(self, on_step: Callable[[int, float, int], None] | None) -> None:
        self.total, self._on_step = 0.0, on_step
        self._unread: tuple[int, torch.Tensor, int] | None = None

    def add(self, step: int, sums: torch.Tensor, count: int) -> None:
        """``sums`` over the team: the loss of ``count`` tokens, and what :meth:`read` is to return, [3]."""
        self.read()
        self._unread = (step, sums, count)

    def read(self) -> tuple[bool, bool]:
        """Read the step added last: whether any process has it as the last, and whether any was cancelled."""
        if self._unread is None:
            return False, False
        (step, sums, count), self._unread = self._unread, None
        loss, last, cancelled = sums.tolist()
        if not loss < float("inf"):
            raise TrainingError(
                f"the loss of step {step} is {loss}: training diverged; lower train.learning-rate or set train.clip"
            )
        self.total += loss
        if self._on_step is not None:
            self._on_step(step, loss / count, count)
        return last > 0, cancelled > 0


class Loop:
    """The optimiser and what a step does to the parameters."""

    def __init__(self, model: Any, learning_rate: Callable[[int], float], settings: TrainSettings, team: Team) -> None:
        self.model, self.learning_rate, self.settings, self.team = model, learning_rate, settings, team
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.accelerator = accelerator_for(settings.precision, str(self.device))
        # not accelerator.prepare: the process's accelerator would keep every task's optimiser and its moments for good
        self.optimizer = AcceleratedOptimizer(
            torch.optim.AdamW(
                self.parameters,
                lr=learning_rate(0),
                eps=settings.epsilon,
                weight_decay=settings.weight_decay,
                fused=self.device.type in ("cpu", "cuda"),
            ),
            scaler=self.accelerator.scaler,
        )
        self.anchor = [p.detach().clone() for p in self.parameters] if settings.proximal_mu else []

    def backward(self, group: list[Batch], count: int) -> torch.Tensor:
        """Gradients of this process's part of the mean loss over ``count`` tokens; its loss's sum."""
        exact = torch.float32 if self.device.type == "mps" else torch.float64
        total = torch.zeros((), dtype=exact, device=self.device)
        for batch in group:
            with self.accelerator.autocast():
                loss = summed_loss(self.model, to_device(batch, self.device))
            self.accelerator.backward(loss / count)
            total += loss.detach()
        return total

    def step(self, step: int) -> None:
        """One AdamW step on the team's gradients."""
        if self.team.size > 1:
            self._join()
        if self.accelerator.scaler is not None:  # float16: take the loss's scale off before anything is added or cut
            self.accelerator.scaler.unscale_(self.optimizer.optimizer)
        for parameter, start in zip(self.parameters, self.anchor, strict=bool(self.anchor)):
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach() - start, alpha=self.settings.proximal_mu)
        if self.settings.clip:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        for entry in self.optimizer.param_groups:
            entry["lr"] = self.learning_rate(step)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _join(self) -> None:
        """Sum the gradients over the team: one exchange for all of them, as adapters are small."""
        held = [p for p in self.parameters if p.grad is not None]
        flat = self.team.sum(torch.cat([p.grad.reshape(-1) for p in held if p.grad is not None]))
        for parameter, part in zip(held, torch.split(flat, [p.numel() for p in held]), strict=True):
            parameter.grad = part.view_as(parameter)
