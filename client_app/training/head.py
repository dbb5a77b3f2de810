"""The output head over a few tokens at a time, so that no more than a part of a batch's logits is ever held.

Logits are the largest tensor of a pass: 8,192 tokens of a vocabulary of 128,000 are 4.2 GB in float32, several times
over with the loss's own copies. Here the model's body runs once over the batch, and its head over as many of the
tokens whose successor is predicted as :data:`CHUNK_VALUES` logits allow.

It is done inside the model's own forward pass, in place of the call of its head, so that factors on the head, quantised
heads and sharded weights need nothing of their own. Models that change their logits after the head (a scale, a cap)
are found out by one pass over a few tokens; of these, and of models without a head of their own,
:func:`splittable_head` is None, and their logits are computed at once.

Not for: what becomes of the losses (``client_app.training.losses``).
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

Head = Callable[[torch.Tensor], torch.Tensor]
CHUNK_VALUES = {"cpu": 2**24, "cuda": 2**27}
"""Logits at once, by kind of device: 64 MiB in float32 on a CPU, whose caches more would only pass through."""
USUAL_TOKENS = {"cpu": 1024, "cuda": 8192}
_known: weakref.WeakKeyDictionary[torch.nn.Module, bool] = weakref.WeakKeyDictionary()


def chunk_rows(model: Any, device: torch.device) -> int:
    """How many tokens' logits are computed at once."""
    values = CHUNK_VALUES.get(device.type, CHUNK_VALUES["cuda"])
    return int(max(1, values // model.config.get_text_config().vocab_size))


def splittable_head(model: Any, device: torch.device) -> torch.nn.Module | None:
    """The module whose output is the model's logits, or None where there is none."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    if not isinstance(head, torch.nn.Module):
        return None
    if head not in _known:
        _known[head] = _gives_logits(model, head, device)
    return head if _known[head] else None


def pass_tokens(wanted: int, model: Any) -> int:
    """Tokens of a pass that measures: ``wanted``, or where that is 0 what suits the device and the model's logits.

    More than a CPU's caches hold makes it slower: the embedded model measures 20,500 tokens/s in passes of 2,048
    tokens and 13,000 in passes of 8,192.
    """
    if wanted:
        return wanted
    device = next(model.parameters()).device
    usual = USUAL_TOKENS.get(device.type, USUAL_TOKENS["cuda"])
    return usual if splittable_head(model, device) is not None else min(usual, 4 * chunk_rows(model, device))


@torch.no_grad()
def _gives_logits(model: Any, head: torch.nn.Module, device: torch.device) -> bool:
    """Whether one call of ``head`` ends a forward pass."""
    outputs: list[torch.Tensor] = []
    handle = head.register_forward_hook(lambda _module, _given, output: outputs.append(output.clone()))
    some = torch.arange(
        min(8, model.config.get_text_config().vocab_size), device=device
    )  # a padding token says nothing
    try:
        logits = model(input_ids=some[None], use_cache=False).logits
    finally:
        handle.remove()
    return len(outputs) == 1 and bool(logits.any()) and torch.equal(outputs[0], logits)


@contextlib.contextmanager
def _in_place_of(head: torch.nn.Module, function: Callable[[Head, torch.Tensor], None]) -> Iterator[None]:
    """Within it, a call of ``head`` is ``function`` of what it would have called and its input; its output is empty."""
    own, whole = head.__dict__.get("forward"), head.forward

    def instead(hidden: torch.Tensor) -> torch.Tensor:
        function(whole, hidden)
        return hidden[:, :0].clone()

    head.forward = instead
    try:
        yield
    finally:
        del head.forward
        if own is not None:
            head.forward = own


def _pass(model: Any, head: torch.nn.Module, inputs: dict[str, Any], take: Callable[[Head, torch.Tensor], None]) -> Any:
    with _in_place_of(head, take):
        return model(**inputs, use_cache=False).logits


def losses_by_chunk(
    model: Any, head: torch.nn.Module, inputs: dict[str, Any], labels: torch.Tensor, ignored: int, rows: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Without gradients: losses float32 and whether the most likely token is the label, both shaped as ``labels``.

    ``labels`` int64 [b, t] are the token after each; where they are ``ignored`` both are 0.
    """
    flat = labels.reshape(-1)
    at = (flat != ignored).nonzero().squeeze(1)
    losses = torch.zeros(flat.shape, dtype=torch.float32, device=flat.device)
    right = torch.zeros(flat.shape, dtype=torch.bool, device=flat.device)

    def take(whole: Head, hidden: torch.Tensor) -> None:
        states = hidden.reshape(-1, hidden.shape[-1])
        for part in torch.split(at, rows):
            logits, wanted = whole(states[part]).float(), flat[part]
            losses[part] = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
            right[part] = logits.argmax(-1) == wanted

    _pass(model, head, inputs, take)
    return losses.view(labels.shape), right.view(labels.shape)


def summed_by_chunk(
    model: Any, head: torch.nn.Module, inputs: dict[str, Any], labels: torch.Tensor, ignored: int, rows: int
) -> torch.Tensor:
    """Sum of the losses, float32, with gradients; ``labels`` as in :func:`losses_by_chunk`."""
    flat = labels.reshape(-1)
    at = (flat != ignored).nonzero().squeeze(1)
    trained = any(parameter.requires_grad for parameter in head.parameters())
    sums: list[torch.Tensor] = []

    def take(whole: Head, hidden: torch.Tensor) -> None:
        states, wanted = hidden.reshape(-1, hidden.shape[-1])[at], flat[at]
        if not trained:
            sums.append(_FrozenHeadLoss.apply(states, wanted, whole, rows))  # type: ignore[no-untyped-call]
            return
        for part, right in zip(torch.split(states, rows), torch.split(wanted, rows), strict=True):
            sums.append(checkpoint(_loss, whole, part, right, use_reentrant=False))

    rest = _pass(model, head, inputs, take)
    # nothing, but a part of what the model returned: wrappers of the model see its backward pass begin by it
    total: torch.Tensor = torch.stack(sums).sum() + rest.float().sum()
    return total


def _loss(head: Head, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(head(states).float(), labels, reduction="sum")


class _FrozenHeadLoss(torch.autograd.Function):
    """The summed loss of states [n, d], whose gradient is computed with it, chunk by chunk: nothing is done twice."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, labels: torch.Tensor, head: Head, rows: int) -> torch.Tensor:
        total = torch.zeros((), device=states.device)
        gradient = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        for first in range(0, len(states), rows):
            part = slice(first, first + rows)
            with torch.set_grad_enabled(gradient is not None):
                taken = states[part].detach().requires_grad_(gradient is not None)
                loss = _loss(head, taken, labels[part])
            if gradient is not None:
                (gradient[part],) = torch.autograd.grad(loss, taken)
            total += loss.detach()
        ctx.gradient = gradient
        return total

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        gradient, ctx.gradient = ctx.gradient, None
        return gradient * grad.to(gradient.dtype), None, None, None
