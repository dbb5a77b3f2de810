"""A batch's losses, from the model's logits.

Labels are moved rather than logits cut, which would copy [b, t, vocabulary] values.

Not for: steps (``client_app.training.loop``) or measures (``client_app.training.measuring``).
"""

from __future__ import annotations

from typing import Any

import torch

from data.batches import IGNORED

Batch = dict[str, torch.Tensor]
_MASK = "attention_mask"


def to_device(batch: Batch, device: torch.device) -> Batch:
    """``batch`` where the model is; a mask that hides nothing is left out, so that attention may take its fast path."""
    kept = batch if not bool(batch["attention_mask"].all()) else {k: v for k, v in batch.items() if k != _MASK}
    return {k: v.to(device, non_blocking=True) for k, v in kept.items()}


def _forward(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [b, t, vocabulary] and, for each, the label of the token after it [b, t]."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch.get("attention_mask"), use_cache=False).logits
    labels = torch.nn.functional.pad(batch["labels"][:, 1:], (0, 1), value=IGNORED)
    return logits, labels


def token_losses(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of a batch [b, t]: losses float32 (0 where not predicted), predicted bool, right bool, each [b, t]."""
    logits, labels = _forward(model, batch)
    losses = torch.nn.functional.cross_entropy(
        logits.float().view(-1, logits.shape[-1]), labels.view(-1), ignore_index=IGNORED, reduction="none"
    ).view(labels.shape)
    predicted = labels != IGNORED
    return losses, predicted, (logits.detach().argmax(-1) == labels) & predicted


def summed_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Sum of a batch's token losses, nats, float32."""
    logits, labels = _forward(model, batch)
    return torch.nn.functional.cross_entropy(
        logits.float().view(-1, logits.shape[-1]), labels.view(-1), ignore_index=IGNORED, reduction="sum"
    )
