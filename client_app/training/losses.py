"""A batch's losses, from the model's logits.

Labels are moved rather than logits cut, which would copy [b, t, vocabulary] values. Where those would be too many to
hold, the model's head computes them a few tokens at a time (``client_app.training.head``).

Not for: steps (``client_app.training.loop``) or measures (``client_app.training.measuring``).
"""

from __future__ import annotations

from typing import Any

import torch

from client_app.training.head import chunk_rows, losses_by_chunk, splittable_head, summed_by_chunk
from data.batches import IGNORED

Batch = dict[str, torch.Tensor]
_MASK = "attention_mask"


def to_device(batch: Batch, device: torch.device) -> Batch:
    """``batch`` where the model is; a mask that hides nothing is left out, so that attention may take its fast path."""
    kept = batch if not bool(batch["attention_mask"].all()) else {k: v for k, v in batch.items() if k != _MASK}
    return {k: v.to(device, non_blocking=True) for k, v in kept.items()}


def _inputs(batch: Batch) -> tuple[dict[str, Any], torch.Tensor]:
    """What a model takes of a batch, and the label of the token after each of its tokens [b, t]."""
    labels = torch.nn.functional.pad(batch["labels"][:, 1:], (0, 1), value=IGNORED)
    return {"input_ids": batch["input_ids"], _MASK: batch.get(_MASK)}, labels


def _split(model: Any, labels: torch.Tensor) -> tuple[torch.nn.Module, int] | None:
    """The model's head and how many tokens' logits to compute at once; None where a batch's may be held together."""
    if not hasattr(model, "get_output_embeddings"):
        return None
    rows = chunk_rows(model, labels.device)
    head = splittable_head(model, labels.device) if labels.numel() > rows else None
    return None if head is None else (head, rows)


def token_losses(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of a batch [b, t]: losses float32 (0 where not predicted), predicted bool, right bool, each [b, t].

    With gradients, the logits of the whole batch are held: a sequence's gradient needs layers that see sequences.
    """
    inputs, labels = _inputs(batch)
    predicted = labels != IGNORED
    if not torch.is_grad_enabled() and (split := _split(model, labels)) is not None:
        losses, right = losses_by_chunk(model, split[0], inputs, labels, IGNORED, split[1])
        return losses, predicted, right
    logits = model(**inputs, use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(
        logits.float().view(-1, logits.shape[-1]), labels.view(-1), ignore_index=IGNORED, reduction="none"
    ).view(labels.shape)
    return losses, predicted, (logits.detach().argmax(-1) == labels) & predicted


def summed_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Sum of a batch's token losses, nats, float32."""
    inputs, labels = _inputs(batch)
    if (split := _split(model, labels)) is not None:
        return summed_by_chunk(model, split[0], inputs, labels, IGNORED, split[1])
    logits = model(**inputs, use_cache=False).logits
    return torch.nn.functional.cross_entropy(
        logits.float().view(-1, logits.shape[-1]), labels.view(-1), ignore_index=IGNORED, reduction="sum"
    )
