"""The loss that the model has on a small sample of held-out notes, before each training: one window a patient.

The sample is bounded so that measuring it takes about a twentieth of the training's time, and the same for the whole
run, so that its loss moves with the model alone. What leaves the node of it is a noisy mean
(``client_app.update.held_out_loss``).

Not for: held-out measures of whole notes (``client_app.training.measuring``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.training.head import pass_tokens
from client_app.training.loop import accelerator_for
from client_app.training.losses import to_device, token_losses
from crossward.config.train_settings import TrainSettings
from data import TokenDataset
from data.batches import padded

SHARE = 0.05  # of a training's time
PASSES = 3.0  # a training step takes as long as so many forward passes
SHORTEST, LONGEST = 24, 64  # tokens of a patient's window
FEWEST = 10  # patients: a mean of fewer is not reported

Floats = NDArray[np.float64]


def budget(settings: TrainSettings, steps: int, max_tokens: int) -> int:
    """Tokens that may be measured before a training of ``steps`` steps."""
    trained = steps * settings.batch_size * settings.accumulation * max_tokens
    return int(SHARE * PASSES * trained)


@dataclass(frozen=True)
class HeldOutSample:
    """``windows``: token ids of one window a patient, the first of which is given."""

    windows: tuple[NDArray[np.int32], ...]
    pad: int
    batch_tokens: int

    @staticmethod
    def draw(tokens: TokenDataset, budget: int, batch_tokens: int, seed: int) -> HeldOutSample:
        """Windows of as many patients of ``tokens`` as ``budget`` tokens allow; none where these are too few."""
        if tokens.frame.answers:  # the label task's loss is that of answers, which have no windows
            return HeldOutSample((), tokens.frame.pad, batch_tokens)
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(tokens.patient_ids))[: budget // SHORTEST]
        if len(chosen) < FEWEST:
            return HeldOutSample((), tokens.frame.pad, batch_tokens)
        length = min(LONGEST, budget // len(chosen))
        windows = []
        for patient in chosen:
            note = int(rng.choice(np.flatnonzero(tokens.patients == patient)))
            first, last = int(tokens.offsets[note]), int(tokens.offsets[note + 1])
            at = int(rng.integers(first, max(first, last - length) + 1))
            windows.append(np.concatenate([tokens.frame.start, tokens.ids[at : min(last, at + length)]]))
        return HeldOutSample(tuple(w for w in windows if len(w) > 1), tokens.frame.pad, batch_tokens)

    def losses(self, model: Any, precision: str) -> Floats:
        """Mean loss of each patient's window, nats a token, float64 [patients]; in a team alike at every process."""
        if len(self.windows) < FEWEST:
            return np.zeros(0)
        device = next(model.parameters()).device
        accelerator, found = accelerator_for(precision, str(device)), []
        model.eval()
        size = max(1, pass_tokens(self.batch_tokens, model) // (LONGEST + 1))
        for first in range(0, len(self.windows), size):
            batch = padded([(ids, 0) for ids in self.windows[first : first + size]], self.pad)
            with torch.no_grad(), accelerator.autocast():
                losses, predicted, _ = token_losses(model, to_device(batch, device))
            found.append((losses.double().sum(1) / predicted.sum(1)).cpu().numpy())
        return np.concatenate(found)
